//! A file of bars, to play instead of a random walk. Knows the columns and what a good row is; never waits, and never sees the market.

use std::{
    error, fmt, fs, io,
    path::{Path, PathBuf},
    str,
    time::Duration,
};

use csv::{ByteRecord, ReaderBuilder, Trim};
use jiff::{Timestamp, civil, tz::TimeZone};

use crate::prices::Bar;

/// Reads a whole CSV file of `symbol,time,open,high,low,close,volume`; the rows keep its order.
///
/// The header names the columns, in any order and case; further columns are ignored. A time is ISO 8601 (UTC where it
/// has no offset, midnight where it is a date), or Unix seconds or milliseconds: numbers from 100,000,000,000 on
/// (March 1973 in milliseconds) are milliseconds. Eight digits that are a date, as `20240102`, are that date.
///
/// # Errors
/// The first thing that is wrong, and where: an unreadable file, no rows, a header without a column or with it twice,
/// a field that is not what its column wants, a high below the low, an open or a close outside the two.
pub fn read(file: &Path) -> Result<Vec<Bar>, ReplayError> {
    let unreadable = |error| ReplayError::Unreadable { file: file.into(), error };
    rows(file, &fs::read(file).map_err(unreadable)?)
}

/// How long to wait between two rows at `speed` times real time: nothing where `next` is not later, `Duration::MAX`
/// where the wait is longer than that.
pub fn delay(previous: &Bar, next: &Bar, speed: f64) -> Duration {
    let millis = next.time.saturating_sub(previous.time);
    Duration::try_from_secs_f64(millis as f64 / 1000.0 / speed).unwrap_or(Duration::MAX)
}

/// Why a file cannot be played; the text begins with the file and, where there is one, the line and the column.
#[derive(Debug)]
pub enum ReplayError {
    /// The system gave no file.
    Unreadable {
        /// The file as it was named.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is no row.
    Empty {
        /// The file as it was named.
        file: PathBuf,
    },
    /// The header does not name a column exactly once.
    Header {
        /// The file as it was named.
        file: PathBuf,
        /// The line of the header, from 1.
        line: usize,
        /// The column that it should name.
        name: &'static str,
        /// How often it does.
        times: usize,
    },
    /// A row has more or fewer fields than the header.
    Length {
        /// The file as it was named.
        file: PathBuf,
        /// The line where the row begins, from 1.
        line: usize,
        /// The fields of the row.
        fields: usize,
        /// The fields of the header.
        columns: usize,
    },
    /// A field is not what its column wants.
    Field {
        /// The file as it was named.
        file: PathBuf,
        /// The line where the row begins, from 1.
        line: usize,
        /// The number of the field in its row, from 1.
        column: usize,
        /// The name of its column.
        name: &'static str,
        /// What is wrong with it, to be read after the name.
        fault: String,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, error } => write!(f, "{}: {error}", file.display()),
            Self::Empty { file } => write!(f, "{}: the file has no rows", file.display()),
            Self::Header { file, line, name, times: 0 } => {
                write!(f, "{}:{line}:1: the header has no column {name}", file.display())
            }
            Self::Header { file, line, name, times } => {
                write!(f, "{}:{line}:1: the header has {times} columns {name}", file.display())
            }
            Self::Length { file, line, fields, columns } => {
                // The first field that is missing or too many.
                let column = fields.min(columns) + 1;
                let file = file.display();
                write!(
                    f,
                    "{file}:{line}:{column}: the row has {fields} fields, the header {columns}"
                )
            }
            Self::Field { file, line, column, name, fault } => {
                write!(f, "{}:{line}:{column}: {name} {fault}", file.display())
            }
        }
    }
}

impl error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            _ => None,
        }
    }
}

fn rows(file: &Path, text: &[u8]) -> Result<Vec<Bar>, ReplayError> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text);
    let unreadable =
        |error: csv::Error| ReplayError::Unreadable { file: file.into(), error: error.into() };
    let header = reader.byte_headers().map_err(unreadable)?.clone();
    if header.is_empty() {
        return Err(ReplayError::Empty { file: file.into() });
    }
    let columns = columns(&header).map_err(|(name, times)| ReplayError::Header {
        file: file.into(),
        line: line(text, 0),
        name,
        times,
    })?;
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(unreadable)?;
        let line = || line(text, record.position().map_or(0, |position| position.byte() as usize));
        if record.len() != header.len() {
            return Err(ReplayError::Length {
                file: file.into(),
                line: line(),
                fields: record.len(),
                columns: header.len(),
            });
        }
        let row = row(&record, columns).map_err(|Fault { name, column, fault }| {
            ReplayError::Field { file: file.into(), line: line(), column, name, fault }
        })?;
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(ReplayError::Empty { file: file.into() });
    }
    Ok(rows)
}

// Where the header has each of `NAMES`.
fn columns(header: &ByteRecord) -> Result<[usize; 7], (&'static str, usize)> {
    let mut columns = [0; 7];
    for (column, name) in columns.iter_mut().zip(NAMES) {
        let mut found =
            (0..header.len()).filter(|at| header[*at].eq_ignore_ascii_case(name.as_bytes()));
        *column = found.next().ok_or((name, 0))?;
        let more = found.count();
        if more > 0 {
            return Err((name, 1 + more));
        }
    }
    Ok(columns)
}

// The line, from 1, of the row that begins at or right after a byte: the reader's own count is one short after CR LF and empty lines.
fn line(text: &[u8], byte: usize) -> usize {
    let blank = text[byte..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let before = &text[..byte + blank];
    let ends = before.iter().enumerate().filter(|&(at, &byte)| {
        byte == b'\n' || byte == b'\r' && before.get(at + 1) != Some(&b'\n')
    });
    1 + ends.count()
}

struct Fault {
    name: &'static str,
    column: usize,
    fault: String,
}

fn row(record: &ByteRecord, columns: [usize; 7]) -> Result<Bar, Fault> {
    let fault = |at: usize, fault| Fault { name: NAMES[at], column: columns[at] + 1, fault };
    let field = |at: usize| {
        str::from_utf8(&record[columns[at]]).map_err(|_| fault(at, "is not UTF-8".into()))
    };
    let number = |at| number(field(at)?).map_err(|text| fault(at, text));
    let price = |at| match number(at)? {
        0.0 => Err(fault(at, "is 0, and nothing trades for nothing".into())),
        price => Ok(price),
    };
    let bar = Bar {
        symbol: symbol(field(0)?).map_err(|text| fault(0, text))?,
        time: time(field(1)?).map_err(|text| fault(1, text))?,
        open: price(2)?,
        high: price(3)?,
        low: price(4)?,
        close: price(5)?,
        volume: number(6)?,
    };
    let Bar { open, high, low, close, .. } = bar;
    if high < low {
        return Err(fault(3, format!("{high} is less than low {low}")));
    }
    for (at, price) in [(2, open), (5, close)] {
        if price < low || price > high {
            return Err(fault(at, format!("{price} is not between low {low} and high {high}")));
        }
    }
    Ok(bar)
}

// A symbol becomes a part of topics, where a colon separates and a quote would need an escape.
fn symbol(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b":\"\\".contains(&byte));
    if text.is_empty() || text.len() > LONGEST_SYMBOL || !plain {
        let wanted = "visible ASCII characters without `:`, `\"` and `\\`";
        return Err(format!("{text:?} is not 1 to {LONGEST_SYMBOL} {wanted}"));
    }
    Ok(text.into())
}

fn number(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Err(_) => Err(format!("{text:?} is not a number")),
        Ok(number) if !number.is_finite() => Err(format!("{text:?} is not a finite number")),
        Ok(number) if number < 0.0 => Err(format!("{text} is negative")),
        Ok(number) if number > GREATEST_NUMBER => {
            Err(format!("{text} is more than {GREATEST_NUMBER:e}"))
        }
        Ok(number) => Ok(number),
    }
}

fn time(text: &str) -> Result<u64, String> {
    let millis = match text.parse::<f64>() {
        // As seconds it would be a day of 1970.
        Ok(_) if text.len() == 8 && text.parse::<civil::Date>().is_ok() => calendar(text),
        Ok(number) if number.abs() < FIRST_MILLIS => Some((number * 1000.0).round() as i64),
        Ok(number) if number.abs() < FIRST_MILLIS * 1000.0 => Some(number.round() as i64),
        Ok(_) => None,
        Err(_) => calendar(text),
    };
    let wanted = "ISO 8601, Unix seconds or Unix milliseconds";
    let millis = millis.ok_or_else(|| format!("{text:?} is not {wanted}"))?;
    u64::try_from(millis).map_err(|_| format!("{text:?} is before 1970"))
}

fn calendar(text: &str) -> Option<i64> {
    // A zone without an offset would be read over, and the time taken for UTC.
    if text.contains('[') && text.parse::<Timestamp>().is_err() {
        return None;
    }
    let moment = text.parse::<Timestamp>().or_else(|_| {
        text.parse::<civil::DateTime>().and_then(|local| TimeZone::UTC.to_timestamp(local))
    });
    moment.ok().map(Timestamp::as_millisecond)
}

const NAMES: [&str; 7] = ["symbol", "time", "open", "high", "low", "close", "volume"];

const LONGEST_SYMBOL: usize = 32;

// Whole numbers up to here are exact, and sums of very many of them are finite.
const GREATEST_NUMBER: f64 = 1e15;

// March 1973 in milliseconds, the year 5138 in seconds.
const FIRST_MILLIS: f64 = 1e11;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "symbol,time,open,high,low,close,volume\n";

    fn played(text: impl AsRef<[u8]>) -> Result<Vec<Bar>, String> {
        rows(Path::new("bars.csv"), text.as_ref()).map_err(|error| error.to_string())
    }

    fn refused(text: impl AsRef<[u8]>) -> String {
        played(text).expect_err("it is not a good file")
    }

    // A file whose one row has this in place of a good field.
    fn with(column: usize, field: &str) -> Result<Vec<Bar>, String> {
        let mut fields = ["AAPL", "60", "2", "3", "1", "2.5", "10"];
        fields[column - 1] = field;
        played(format!("{HEADER}{}", fields.join(",")))
    }

    fn bar(symbol: &str, time: u64) -> Bar {
        Bar {
            symbol: symbol.into(),
            time,
            open: 2.0,
            high: 3.0,
            low: 1.0,
            close: 2.5,
            volume: 10.0,
        }
    }

    // trading: R2
    #[test]
    fn columns_come_in_any_order_and_case_and_rows_in_that_of_the_file() {
        let text = "\u{feff} Volume ,note,CLOSE,Low,High,Open,Time,Symbol\r\n\
            10,\"a, b\",2.5,1,3,2,120,MSFT\r\n\r\n10, ,2.5, 1 ,3,2,60,AAPL\r\n10,,2.5,1,3,2,60,AAPL";
        let expected = [bar("MSFT", 120_000), bar("AAPL", 60_000), bar("AAPL", 60_000)];
        assert_eq!(played(text).as_deref(), Ok(&expected[..]));
    }

    // trading: R2
    #[test]
    fn a_time_is_iso_8601_or_unix_seconds_or_milliseconds() {
        for text in [
            "2024-01-02T14:30:00Z",
            "2024-01-02 14:30",
            "2024-01-02T16:30:00+02:00",
            "2024-01-02T09:30:00-05:00[America/New_York]",
            "20240102T143000Z",
            "1704205800",
            "1704205800.0",
            "1704205800000",
        ] {
            assert_eq!(time(text), Ok(1_704_205_800_000), "{text}");
        }
        for text in ["2024-01-02", "20240102", "1704153600"] {
            assert_eq!(time(text), Ok(1_704_153_600_000), "{text}");
        }
        assert_eq!(time("0"), Ok(0));
        assert_eq!(time("99999999999"), Ok(99_999_999_999_000));
        assert_eq!(time("100000000000"), Ok(100_000_000_000));
        assert_eq!(time("1704205800.125"), Ok(1_704_205_800_125));
    }

    // trading: R4
    #[test]
    fn a_field_that_does_not_fit_is_named_with_file_line_and_column() {
        let time = "is not ISO 8601, Unix seconds or Unix milliseconds";
        let symbol = "is not 1 to 32 visible ASCII characters without `:`, `\"` and `\\`";
        for (column, field, sentence) in [
            (1, "", format!("symbol \"\" {symbol}")),
            (1, "BTC:USD", format!("symbol \"BTC:USD\" {symbol}")),
            (1, "A B", format!("symbol \"A B\" {symbol}")),
            (2, "", format!("time \"\" {time}")),
            (2, "noon", format!("time \"noon\" {time}")),
            (2, "nan", format!("time \"nan\" {time}")),
            (2, "1704205800000000", format!("time \"1704205800000000\" {time}")),
            (
                2,
                "2024-01-02T09:30[America/New_York]",
                format!("time \"2024-01-02T09:30[America/New_York]\" {time}"),
            ),
            (2, "-1", "time \"-1\" is before 1970".into()),
            (2, "1969-12-31", "time \"1969-12-31\" is before 1970".into()),
            (3, "2,5", "the row has 8 fields, the header 7".into()),
            (3, "x", "open \"x\" is not a number".into()),
            (3, "0.5", "open 0.5 is not between low 1 and high 3".into()),
            (4, "inf", "high \"inf\" is not a finite number".into()),
            (4, "0.5", "high 0.5 is less than low 1".into()),
            (4, "1e16", "high 1e16 is more than 1e15".into()),
            (5, "-1", "low -1 is negative".into()),
            (5, "0", "low is 0, and nothing trades for nothing".into()),
            (6, "3.5", "close 3.5 is not between low 1 and high 3".into()),
            (7, "", "volume \"\" is not a number".into()),
            (7, "-0.1", "volume -0.1 is negative".into()),
            (7, "NaN", "volume \"NaN\" is not a finite number".into()),
        ] {
            let at = if sentence.starts_with("the row") { 8 } else { column };
            assert_eq!(with(column, field), Err(format!("bars.csv:2:{at}: {sentence}")));
        }
        assert_eq!(with(7, "0").map(|rows| rows[0].volume), Ok(0.0));
    }

    #[test]
    fn a_line_is_counted_as_an_editor_does() {
        let good = "AAPL,60,2,3,1,2.5,10";
        let bad = "AAPL,60,2,3,1,2.5,x";
        for (end, blank) in [("\n", ""), ("\r\n", ""), ("\r", ""), ("\n", "\n"), ("\r\n", "\r\n")] {
            let header = HEADER.trim();
            let text = format!("{blank}{header}{end}{good}{end}{blank}{bad}{end}{good}{end}");
            let line = if blank.is_empty() { 3 } else { 5 };
            assert_eq!(
                refused(&text),
                format!("bars.csv:{line}:7: volume \"x\" is not a number"),
                "{text:?}"
            );
        }
        let quoted = format!("note,{HEADER}\"two\nlines\",{good}\n,{bad}");
        assert_eq!(refused(quoted), "bars.csv:4:8: volume \"x\" is not a number");
    }

    #[test]
    fn a_row_of_another_length_is_named_where_it_ends() {
        let short = format!("{HEADER}AAPL,60,2,3,1,2.5,10\nAAPL,60,2\n");
        assert_eq!(refused(short), "bars.csv:3:4: the row has 3 fields, the header 7");
    }

    #[test]
    fn a_header_names_every_column_once() {
        let lacking = "\nsymbol,time,open,high,close,volume\n";
        assert_eq!(refused(lacking), "bars.csv:2:1: the header has no column low");
        let twice = format!("Time,{HEADER}");
        assert_eq!(refused(twice), "bars.csv:1:1: the header has 2 columns time");
    }

    #[test]
    fn a_file_without_rows_is_refused() {
        for text in ["", "\n\n", "\u{feff}", HEADER] {
            assert_eq!(refused(text), "bars.csv: the file has no rows");
        }
    }

    #[test]
    fn a_field_that_is_not_utf_8_is_refused_only_where_it_is_needed() {
        let row = |symbol: &[u8], note: &[u8]| {
            [b"note,", HEADER.as_bytes(), note, b",", symbol, b",60,2,3,1,2.5,10"].concat()
        };
        assert_eq!(refused(row(b"\xff", b"")), "bars.csv:2:2: symbol is not UTF-8");
        assert_eq!(played(row(b"AAPL", b"\xff")), Ok(vec![bar("AAPL", 60_000)]));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
        for file in [folder.join("none.csv"), folder] {
            let error = read(&file).expect_err("it is no file");
            assert!(error.to_string().starts_with(&format!("{}: ", file.display())), "{error}");
            assert!(matches!(error, ReplayError::Unreadable { .. }));
        }
    }

    #[test]
    fn the_sample_plays_three_symbols_minute_by_minute() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/bars.csv");
        let rows = read(&file).expect("the sample is good");
        assert_eq!(rows.len(), 42);
        for (at, row) in rows.iter().enumerate() {
            let minute = at as u64 / 3;
            assert_eq!(row.symbol, ["AAPL", "BTCUSD", "EURUSD"][at % 3]);
            assert_eq!(row.time, 1_736_951_400_000 + minute * 60_000);
        }
    }

    // trading: R3
    #[test]
    fn a_delay_is_the_gap_over_the_speed_and_never_negative() {
        let (early, late) = (bar("AAPL", 60_000), bar("AAPL", 120_000));
        assert_eq!(delay(&early, &late, 1.0), Duration::from_secs(60));
        assert_eq!(delay(&early, &late, 60.0), Duration::from_secs(1));
        assert_eq!(delay(&early, &late, 0.5), Duration::from_secs(120));
        assert_eq!(delay(&early, &early, 1.0), Duration::ZERO);
        assert_eq!(delay(&late, &early, 1.0), Duration::ZERO);
        assert_eq!(delay(&early, &late, f64::MIN_POSITIVE), Duration::MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_break_the_reader(text: Vec<u8>, row in "[A-Z0-9,.:\"\r\n-]{0,60}") {
            let _ = played(&text);
            if let Ok(rows) = played(format!("{HEADER}{row}")) {
                prop_assert!(rows.iter().all(|bar| bar.low <= bar.close && bar.close <= bar.high));
            }
        }

        #[test]
        fn a_written_row_reads_back(
            seconds in 0u64..99_999_999_999, low in 1u32..1_000_000, more in 0u32..1_000_000, volume in 0.0..1e12,
        ) {
            // Eight digits may be a date.
            prop_assume!(seconds.to_string().len() != 8);
            let (low, high) = (f64::from(low) / 100.0, f64::from(low + more) / 100.0);
            let bar = Bar { symbol: "X".into(), time: seconds * 1000, open: low, high, low, close: high, volume };
            let text = format!("{HEADER}X,{seconds},{low},{high},{low},{high},{volume}\n");
            prop_assert_eq!(played(text), Ok(vec![bar]));
        }
    }
}
