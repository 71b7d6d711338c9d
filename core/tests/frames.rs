//! What readers make of bytes, row by row of `frames.txt`, and the laws of frames that a row cannot
//! state.
#![cfg(feature = "alloc")]

#[path = "frames/table.rs"]
mod table;

use fastws_core::assembly::{Incoming, Reader};
use fastws_core::frame::{
    Close, Decoder, Head, Opcode, Piece, Role, Violation, close_payload, mask,
};
use table::{Outcome, Row, Said, rows};

#[test]
fn the_table_is_numbered_and_long() {
    let numbers: Vec<usize> = rows().iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
    assert!(numbers.len() >= 200);
}

#[test]
fn every_row_comes_out_as_written() {
    for row in rows() {
        assert_eq!(read(&row, [row.bytes.len()]), row.outcome, "row {}", row.number);
    }
}

#[test]
fn every_row_comes_out_the_same_byte_by_byte() {
    for row in rows() {
        let ones = std::iter::repeat_n(1, row.bytes.len());
        assert_eq!(read(&row, ones), row.outcome, "row {}", row.number);
    }
}

#[test]
fn every_row_comes_out_the_same_cut_in_two() {
    for row in rows() {
        for at in row.cuts() {
            let cut = [at, row.bytes.len() - at];
            assert_eq!(read(&row, cut), row.outcome, "row {} cut at {at}", row.number);
        }
    }
}

#[test]
fn an_empty_input_changes_nothing() {
    for row in rows() {
        let len = row.bytes.len();
        let cut = [0, len / 2, 0, 0, len - len / 2, 0];
        assert_eq!(read(&row, cut), row.outcome, "row {}", row.number);
    }
}

#[test]
fn a_head_is_refused_at_the_first_byte_that_breaks_a_rule() {
    use Violation::*;
    let (server, client) = (Role::Server, Role::Client);
    for (role, head, at, violation) in [
        (server, &b"\xc1\x85\0\0"[..], 1, ReservedBits),
        (server, b"\x83\x85\0\0", 1, UnknownOpcode),
        (server, b"\x09\x85\0\0", 1, FragmentedControl),
        (server, b"\x80\x85\0\0", 1, OrphanContinuation),
        (server, b"\x01\x80\0\0\0\0\x81\x80\0\0", 7, Interrupted),
        (server, b"\x81\x05\0\0", 2, Unmasked),
        (client, b"\x81\x85\0\0", 2, Masked),
        (server, b"\x89\xfe\0\0", 2, LongControl),
        (server, b"\x81\x8b\0\0", 2, TooLong),
        (server, b"\x81\xff\x80\0\0\0\0", 3, TopBit),
        (server, b"\x81\xfe\0\x7d\0\0", 4, LongForm),
        (server, b"\x81\xfe\x01\0\0\0", 4, TooLong),
        (server, b"\x81\xff\0\0\0\0\0\0\xff\xff\0\0", 10, LongForm),
        (server, b"\x81\xff\0\0\0\0\0\x01\0\0\0\0", 10, TooLong),
    ] {
        let mut decoder = Decoder::new(role);
        let refused = (1..).zip(head).find_map(|(count, &byte)| {
            let decoded = decoder.decode(&mut [byte], 10).map(drop);
            decoded.err().map(|violation| (count, violation))
        });
        assert_eq!(refused, Some((at, violation)));
        assert!(violation.to_string().len() <= 123);
    }
}

// law: 7
#[test]
fn what_looks_like_a_text_within_a_frame_is_a_part_of_it() {
    let inner = [&[0x81, 0x81, 0x81, 0x81][..], &[0; 20]].concat();
    let frame = |opcode, key| {
        let mut frame = Head::new(opcode, inner.len(), Some(key)).as_slice().to_vec();
        frame.extend(&inner);
        mask(&mut frame[6..], key, 0);
        frame
    };
    for (opcode, key) in [
        (Opcode::Ping, [0; 4]),
        (Opcode::Ping, [0x81, 0x81, 0x81, 0x81]),
        (Opcode::Binary, [0; 4]),
        (Opcode::Binary, [0x81, 0x81, 0x81, 0x81]),
    ] {
        for at in 0..inner.len() + 6 {
            let (mut reader, mut said) = (Reader::new(Role::Server, 100), Vec::new());
            let mut frame = frame(opcode, key);
            let (first, second) = frame.split_at_mut(at);
            for input in [first, second] {
                reader
                    .read(input, |incoming| said.push(Said::from(incoming)))
                    .expect("it is valid");
            }
            let whole = match opcode {
                Opcode::Ping => Said::Ping(inner.clone()),
                _ => Said::Message(opcode, inner.clone()),
            };
            assert_eq!(said, [whole], "{opcode:?} with key {key:?} cut at {at}");
        }
    }
}

#[test]
fn a_message_that_lies_whole_in_the_input_is_held_to_the_limit_too() {
    for limit in [5, 125, 126, 300] {
        for (len, taken) in [(limit, true), (limit + 1, false)] {
            for opcode in [Opcode::Text, Opcode::Binary] {
                let mut frame = Head::new(opcode, len, Some([0; 4])).as_slice().to_vec();
                frame.resize(frame.len() + len, b'x');
                let mut count = 0;
                let read = Reader::new(Role::Server, limit).read(&mut frame, |_| count += 1);
                assert_eq!(
                    (read, count == 1),
                    (if taken { Ok(()) } else { Err(Violation::TooLong) }, taken)
                );
            }
        }
    }
}

#[test]
fn pieces_tell_where_they_lie_in_frame_and_message() {
    let mut bytes = *b"\x01\x03abc\x89\x01!\x00\x00\x80\x01d";
    let mut decoder = Decoder::new(Role::Client);
    let mut pieces = Vec::new();
    let (first, second) = bytes.split_at_mut(3);
    for mut input in [first, second] {
        while let Some((piece, rest)) = decoder.decode(input, 10).expect("a valid stream") {
            let Piece { opcode, payload, starts_message, ends_frame, ends_message } = piece;
            pieces.push((opcode, payload.to_vec(), starts_message, ends_frame, ends_message));
            input = rest;
        }
    }
    let text = |payload: &[u8], starts, ends_frame, ends| {
        (Opcode::Text, payload.to_vec(), starts, ends_frame, ends)
    };
    assert_eq!(
        pieces,
        [
            text(b"a", true, false, false),
            text(b"bc", false, true, false),
            (Opcode::Ping, b"!".to_vec(), true, true, true),
            text(b"", false, true, false),
            text(b"d", false, true, true),
        ]
    );
}

#[test]
fn a_mask_is_its_own_inverse_and_may_be_applied_in_parts() {
    let key = [0x12, 0x34, 0x56, 0x78];
    let plain: Vec<u8> = (0..100).collect();
    let expected: Vec<u8> =
        plain.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    for at in 0..plain.len() {
        let mut masked = plain.clone();
        mask(&mut masked[at..], key, at);
        mask(&mut masked[..at], key, 0);
        assert_eq!(masked, expected, "in parts at {at}");
        mask(&mut masked, key, 0);
        assert_eq!(masked, plain);
    }
}

#[test]
fn a_close_reason_is_cut_at_a_character() {
    let mut out = [0; 125];
    for (reason, kept) in [
        ("x".repeat(123), 123),
        ("x".repeat(124), 123),
        ("é".repeat(62), 122),
        ("€".repeat(42), 123),
        ("x".to_string() + &"𝄞".repeat(31), 121),
        (String::new(), 0),
    ] {
        let len = close_payload(1008, &reason, &mut out);
        let close = Close { code: 1008, reason: &reason[..kept] };
        assert_eq!(Close::read(&out[..len]), Ok(Some(close)));
    }
}

#[test]
fn a_head_takes_the_shortest_form() {
    for (len, expected) in [
        (0, &[0x82, 0][..]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (0xffff, &[0x82, 126, 0xff, 0xff]),
        (0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        assert_eq!(Head::new(Opcode::Binary, len, None).as_slice(), expected);
        let mut masked = expected.to_vec();
        masked[1] |= 0x80;
        masked.extend([1, 2, 3, 4]);
        assert_eq!(Head::new(Opcode::Binary, len, Some([1, 2, 3, 4])).as_slice(), masked);
    }
}

fn read(row: &Row, parts: impl IntoIterator<Item = usize>) -> Outcome {
    let mut reader = Reader::new(row.role, row.limit);
    let mut bytes = row.bytes.clone();
    let mut rest = &mut bytes[..];
    let mut outcome = Outcome::default();
    for part in parts {
        let (input, after) = rest.split_at_mut(part);
        rest = after;
        let read = reader.read(input, |incoming| outcome.said.push(Said::from(incoming)));
        if let Err(violation) = read {
            assert_eq!(outcome.refused, None, "a stream is refused once");
            outcome.refused = Some(violation.close_code());
        }
    }
    outcome
}
