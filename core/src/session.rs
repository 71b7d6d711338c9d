//! Is this connection alive, and may it speak? Knows one connection and the time, no topic and no other connection.

use crate::config::Config;
use crate::time::{Duration, Instant};
use core::fmt;

/// How far a connection has come. It only moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Its request is being read.
    Handshake,
    /// The body of its request is being read, or the call that it has become runs.
    Posting,
    /// Messages flow.
    Open,
    /// We have sent a close frame and wait for the peer's.
    Closing,
    /// Nothing more is said; once all is written, our side ends, then the peer's.
    Lingering,
    /// The driver is to drop the socket.
    Gone,
}

/// What the clock demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// The request has not come in time.
    Handshake,
    /// The outcome of the call that it has become has not.
    Posting,
    Ping,
    /// No message for the heartbeat interval, or older than the lifespan.
    TimedOut,
    /// The first message has not said in time who it is from.
    Stranger,
    /// The peer does not answer any more.
    Gone,
}

pub(crate) struct Session {
    pub(crate) phase: Phase,
    /// A ping waits for any frame since `since`.
    pinged: bool,
    /// A call runs: the next message waits for it.
    pub(crate) calling: bool,
    /// A message that is framed elsewhere was refused, and waits with the driver.
    pub(crate) refused: bool,
    /// The first message is still to say who it is from.
    pub(crate) stranger: bool,
    /// The peer says nothing more, and still gets an answer.
    pub(crate) ended: bool,
    /// Its socket takes bytes again, since the clock has asked last.
    pub(crate) moved: bool,
    /// Counts calls, so that a late outcome finds nothing.
    pub(crate) call: u32,
    opened: Instant,
    heard: Instant,
    message: Instant,
    since: Instant,
    /// Messages and bytes that were taken and that time up to `heard` has not paid for, in millionths.
    debts: [u64; 2],
}

impl Session {
    pub(crate) const fn new(now: Instant, phase: Phase) -> Self {
        Self {
            phase,
            pinged: false,
            calling: false,
            refused: false,
            stranger: false,
            ended: false,
            moved: false,
            call: 0,
            opened: now,
            heard: now,
            message: now,
            since: now,
            debts: [0; 2],
        }
    }

    /// The handshake is done; heartbeat and lifespan count from here.
    pub(crate) fn open(&mut self, now: Instant) {
        *self = Self::new(now, Phase::Open);
    }

    /// True if a ping waited for it: the clock may matter earlier than before.
    #[inline]
    pub(crate) fn handle_frame(&mut self, now: Instant, config: &Config) -> bool {
        for (debt, rate) in self.debts.iter_mut().zip(rates(config)) {
            if let Some(rate) = rate {
                // A debt is in units of which a rate is one for each microsecond.
                let micros = now.micros().saturating_sub(self.heard.micros());
                *debt = debt.saturating_sub(micros.saturating_mul(rate.into()));
            }
        }
        self.heard = now;
        core::mem::take(&mut self.pinged)
    }

    /// How many of so many bytes that have come now may be taken.
    #[inline]
    pub(crate) fn take_bytes(&mut self, count: usize, config: &Config) -> usize {
        match config.bytes_per_second {
            Some(rate) => take(&mut self.debts[1], rate, count),
            None => count,
        }
    }

    /// Whether a message that has come now may be taken.
    #[inline]
    pub(crate) fn take_message(&mut self, config: &Config) -> bool {
        config.messages_per_second.is_none_or(|rate| take(&mut self.debts[0], rate, 1) == 1)
    }

    pub(crate) fn handle_message(&mut self, now: Instant) {
        self.message = now;
    }

    /// Moves on to `phase`; its deadline counts from `now`.
    pub(crate) fn enter(&mut self, now: Instant, phase: Phase) {
        debug_assert!(phase > self.phase, "a connection never comes back to life");
        self.phase = phase;
        self.since = now;
        self.calling = false;
    }

    /// When the clock matters next. It may move later without being asked again, and earlier only
    /// where [`handle_frame`](Self::handle_frame) says so.
    pub(crate) fn poll_timeout(&self, config: &Config) -> Option<Instant> {
        let (from, time) = match self.phase {
            Phase::Handshake => (self.opened, config.handshake),
            Phase::Posting => (self.since, config.handshake),
            Phase::Closing | Phase::Lingering => (self.since, config.closing),
            Phase::Gone => return None,
            Phase::Open if self.pinged => (self.since, config.pong),
            Phase::Open => (self.heard, config.ping),
        };
        let mut first = from + time;
        if self.phase == Phase::Open {
            let known = self.stranger.then_some(config.handshake);
            for (from, limit) in [
                (self.message, config.heartbeat),
                (self.opened, config.lifespan),
                (self.opened, known),
            ] {
                first = limit.map_or(first, |limit| first.min(from + limit));
            }
        }
        Some(first)
    }

    /// `deaf`: we have stopped reading, so the peer's silence is ours.
    pub(crate) fn handle_timeout(&mut self, now: Instant, config: &Config, deaf: bool) -> Due {
        if deaf {
            self.handle_frame(now, config);
            self.handle_message(now);
        }
        if self.poll_timeout(config).is_none_or(|deadline| deadline > now) {
            return Due::Nothing;
        }
        match self.phase {
            Phase::Posting if self.calling => Due::Posting,
            Phase::Handshake | Phase::Posting => Due::Handshake,
            Phase::Closing | Phase::Lingering => Due::Gone,
            Phase::Gone => Due::Nothing,
            Phase::Open if self.stranger && now >= self.opened + config.handshake => Due::Stranger,
            Phase::Open if config.heartbeat.is_some_and(|limit| now >= self.message + limit) => {
                Due::TimedOut
            }
            Phase::Open if config.lifespan.is_some_and(|limit| now >= self.opened + limit) => {
                Due::TimedOut
            }
            Phase::Open if self.pinged => Due::Gone,
            Phase::Open => {
                self.pinged = true;
                self.since = now;
                Due::Ping
            }
        }
    }
}

fn rates(config: &Config) -> [Option<u32>; 2] {
    [config.messages_per_second, config.bytes_per_second]
}

/// As many of `count` as a bucket holds that is full after a second.
fn take(debt: &mut u64, rate: u32, count: usize) -> usize {
    let left = (u64::from(rate) * MILLION).saturating_sub(*debt) / MILLION;
    let taken = left.min(count as u64);
    *debt += taken * MILLION;
    taken as usize
}

/// Microseconds of a second.
const MILLION: u64 = 1_000_000;

/// The reason that a client reads when its heartbeat or lifespan has passed, in seconds.
pub(crate) struct TimedOut<'c>(pub(crate) &'c Config);

impl fmt::Display for TimedOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection timed out. Heartbeat interval ")?;
        for (label, limit) in
            [("", self.0.heartbeat), (". Max connection lifespan ", self.0.lifespan)]
        {
            f.write_str(label)?;
            match limit {
                Some(limit) => write_seconds(f, limit)?,
                None => f.write_str("unset")?,
            }
        }
        Ok(())
    }
}

/// As a float would be written, but without the floats that a device has no room for.
fn write_seconds(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
    write!(f, "{}", time.as_secs())?;
    let (mut point, mut nanos) = (".", time.subsec_nanos());
    while nanos > 0 {
        write!(f, "{point}{}", nanos / 100_000_000)?;
        (point, nanos) = ("", nanos % 100_000_000 * 10);
    }
    Ok(())
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn seconds_are_written_as_a_float_would_be(micros in 0..1_u64 << 40, zeros in 0..7_u32) {
            let time = Duration::from_micros(micros / 10_u64.pow(zeros) * 10_u64.pow(zeros));
            let config = Config { heartbeat: Some(time), ..Config::default() };
            let seconds = time.as_secs_f64();
            let reason = format!("Connection timed out. Heartbeat interval {seconds}. Max connection lifespan unset");
            prop_assert_eq!(TimedOut(&config).to_string(), reason);
        }

        #[test]
        fn no_stretch_of_time_takes_more_than_its_length_and_a_second_allow(
            rate in 1_u32..20,
            steps in prop::collection::vec((0_u64..2_000_000, 0_usize..30), 1..60),
        ) {
            let config = Config {
                messages_per_second: Some(rate),
                bytes_per_second: Some(rate),
                ..Config::default()
            };
            let mut session = Session::new(Instant::ZERO, Phase::Open);
            let mut now = Instant::ZERO;
            // When each was taken; the next may be taken if no stretch up to now has too many.
            let mut model: Vec<Instant> = Vec::new();
            for (pause, count) in steps {
                now = now + Duration::from_micros(pause);
                session.handle_frame(now, &config);
                let before = model.len();
                for _ in 0..count {
                    let mut stretches = model.iter().enumerate();
                    let fits = stretches.all(|(at, &from)| {
                        let taken = (model.len() - at + 1) as u128;
                        taken * 1_000_000 <= u128::from(rate) * (1_000_000 + (now - from).as_micros())
                    });
                    prop_assert_eq!(session.take_message(&config), fits);
                    if fits {
                        model.push(now);
                    }
                }
                prop_assert_eq!(session.take_bytes(count, &config), model.len() - before);
            }
        }
    }

    /// What one connection and the clock do.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Frame,
        Message,
        Enter(Phase),
        /// The body of its request becomes a call.
        Call,
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let phase = prop_oneof![
            4 => Just(Phase::Open),
            1 => prop::sample::select(&[Phase::Posting, Phase::Closing, Phase::Lingering][..]),
        ];
        prop_oneof![
            3 => Just(Step::Frame),
            3 => Just(Step::Message),
            1 => phase.prop_map(Step::Enter),
            1 => Just(Step::Call),
            4 => (0_u64..20).prop_map(Step::Pass),
        ]
    }

    /// When each thing was last.
    struct Model {
        phase: Phase,
        opened: Instant,
        heard: Instant,
        message: Instant,
        since: Instant,
        pinged: Option<Instant>,
        calling: bool,
    }

    impl Model {
        /// What comes first; of two at once the one that is named first.
        fn due(&self, config: &Config, stranger: bool) -> Option<(Instant, Due)> {
            let mut all = Vec::new();
            match self.phase {
                Phase::Handshake => all.push((self.opened + config.handshake, Due::Handshake)),
                Phase::Posting => {
                    let due = if self.calling { Due::Posting } else { Due::Handshake };
                    all.push((self.since + config.handshake, due));
                }
                Phase::Closing | Phase::Lingering => {
                    all.push((self.since + config.closing, Due::Gone));
                }
                Phase::Gone => {}
                Phase::Open => {
                    all.extend(stranger.then_some((self.opened + config.handshake, Due::Stranger)));
                    all.extend(config.heartbeat.map(|limit| (self.message + limit, Due::TimedOut)));
                    all.extend(config.lifespan.map(|limit| (self.opened + limit, Due::TimedOut)));
                    all.push(match self.pinged {
                        Some(at) => (at + config.pong, Due::Gone),
                        None => (self.heard + config.ping, Due::Ping),
                    });
                }
            }
            all.into_iter().min_by_key(|(at, _)| *at)
        }
    }

    proptest! {
        // law: 8
        #[test]
        fn what_is_due_is_due_at_its_time_and_nothing_before(
            open in any::<bool>(),
            stranger in any::<bool>(),
            heartbeat in prop::option::of(1_u64..60),
            lifespan in prop::option::of(1_u64..200),
            [handshake, ping, pong, closing] in prop::array::uniform4(1_u64..30),
            steps in prop::collection::vec(step(), 0..60),
        ) {
            let millis = Duration::from_millis;
            let config = Config {
                heartbeat: heartbeat.map(millis),
                lifespan: lifespan.map(millis),
                handshake: millis(handshake),
                ping: millis(ping),
                pong: millis(pong),
                closing: millis(closing),
                ..Config::default()
            };
            let mut now = Instant::from_millis(5);
            let phase = if open { Phase::Open } else { Phase::Handshake };
            let mut session = Session::new(now, phase);
            session.stranger = stranger;
            let mut model = Model { phase, opened: now, heard: now, message: now, since: now, pinged: None, calling: false };
            for step in steps {
                match step {
                    Step::Frame => {
                        prop_assert_eq!(session.handle_frame(now, &config), model.pinged.take().is_some());
                        model.heard = now;
                    }
                    Step::Message => {
                        session.handle_message(now);
                        model.message = now;
                    }
                    Step::Enter(Phase::Open) if model.phase == Phase::Handshake => {
                        session.open(now);
                        session.stranger = stranger;
                        model = Model { phase: Phase::Open, opened: now, heard: now, message: now, ..model };
                    }
                    Step::Enter(phase) if phase > model.phase && phase != Phase::Open => {
                        session.enter(now, phase);
                        (model.phase, model.since, model.calling) = (phase, now, false);
                    }
                    Step::Enter(_) => {}
                    Step::Call => {
                        session.calling = true;
                        model.calling = true;
                    }
                    Step::Pass(millis) => {
                        let later = now + Duration::from_millis(millis);
                        // Its driver wakes as it was told, and once before.
                        while let Some((at, due)) = model.due(&config, stranger).filter(|(at, _)| *at <= later) {
                            prop_assert_eq!(session.poll_timeout(&config), Some(at));
                            let early = Instant::from_micros(at.micros() - 1);
                            prop_assert_eq!(session.handle_timeout(early, &config, false), Due::Nothing);
                            let told = session.handle_timeout(at, &config, false);
                            prop_assert_eq!(told, due);
                            match told {
                                Due::Ping => model.pinged = Some(at),
                                _ => return Ok(()),
                            }
                        }
                        now = later;
                        prop_assert_eq!(session.handle_timeout(now, &config, false), Due::Nothing);
                    }
                }
                let due = model.due(&config, stranger).map(|(at, _)| at);
                prop_assert_eq!(session.poll_timeout(&config), due);
            }
        }
    }

    #[test]
    fn whoever_times_out_reads_both_limits() {
        let halves = |halves: u64| Some(Duration::from_millis(halves * 500));
        for (heartbeat, lifespan, said) in [
            (halves(60), None, "interval 30. Max connection lifespan unset"),
            (None, halves(7201), "interval unset. Max connection lifespan 3600.5"),
        ] {
            let config = Config { heartbeat, lifespan, ..Config::default() };
            let reason = std::format!("{}", TimedOut(&config));
            assert_eq!(reason, std::format!("Connection timed out. Heartbeat {said}"));
        }
    }

    #[test]
    fn the_highest_rate_and_the_longest_silence_overflow_nothing() {
        let config = Config {
            messages_per_second: Some(u32::MAX),
            bytes_per_second: Some(u32::MAX),
            ..Config::default()
        };
        let mut session = Session::new(Instant::ZERO, Phase::Open);
        for now in [Instant::ZERO, Instant::from_micros(u64::MAX), Instant::ZERO] {
            session.handle_frame(now, &config);
            assert!(session.take_message(&config));
            session.take_bytes(usize::MAX, &config);
        }
        assert_eq!(session.take_bytes(1, &config), 0);
    }

    #[test]
    fn without_a_limit_everything_is_taken() {
        let mut session = Session::new(Instant::ZERO, Phase::Open);
        session.handle_frame(Instant::ZERO, &Config::default());
        assert_eq!(session.take_bytes(usize::MAX, &Config::default()), usize::MAX);
        assert_eq!(session.debts, [0; 2]);
    }
}
