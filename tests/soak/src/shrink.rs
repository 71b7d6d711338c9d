//! Plays a seed, and makes of steps that break a law the fewest that break it in the same way. Knows no law.

use crate::play;
use crate::rules::Rules;
use crate::stage::PLANNED;
use crate::step::Step;
use crate::weather::Weather;
use crate::world::{Told, World};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::time::{Duration, Instant};

/// A law was broken.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// Where in the code that was found: the same law is broken where this is the same.
    pub place: String,
    /// What was found.
    pub words: String,
}

/// Plays so many steps of a seed. Fails with the steps up to the one that breaks a law.
pub fn play_seed(seed: u64, clients: u32, steps: usize) -> Result<Told, (Vec<Step>, Broken)> {
    let mut taken = Vec::new();
    let played = listen(|| {
        let mut world = World::new(Rules::of(seed, clients));
        let mut weather = Weather::new(seed);
        for _ in 0..steps {
            let step = weather.next(&world);
            taken.push(step.clone());
            world.step(&step);
        }
        world.end()
    });
    played.map_err(|broken| (taken, broken))
}

/// What is left to be said of a broken law: the fewest steps that break it, as a test. After `patience` the
/// fewest that were found.
pub fn report(
    seed: u64,
    clients: u32,
    steps: Vec<Step>,
    broken: &Broken,
    patience: Duration,
) -> String {
    let begun = Instant::now();
    let count = steps.len();
    let breaks = |steps: &[Step]| {
        let played = listen(|| play(seed, clients, steps));
        played.is_err_and(|other| other.place == broken.place)
    };
    let steps = shrink(steps, breaks, || begun.elapsed() > patience);
    let Broken { words, place } = broken;
    let test = as_test(seed, clients, &steps);
    let left = steps.len();
    format!("step {count} breaks a law: {words}\n{place}\n{left} steps are left of it:\n\n{test}")
}

/// The fewest steps that still break a law: none of them can be left out.
///
/// ```
/// use fastws_soak::shrink::shrink;
/// use fastws_soak::step::Step::*;
/// let steps = vec![Rest, Flow(1), Turn(0), Advance(300), Advance(200), Audit, Turn(1)];
/// let breaks = |steps: &[_]| {
///     let waits = steps.iter().map(|step| if let Advance(millis) = step { *millis } else { 0 });
///     steps.contains(&Turn(0)) && waits.sum::<u16>() >= 400
/// };
/// assert_eq!(shrink(steps, breaks, || false), [Turn(0), Advance(500)]);
/// ```
pub fn shrink(
    mut steps: Vec<Step>,
    breaks: impl Fn(&[Step]) -> bool,
    mut is_over: impl FnMut() -> bool,
) -> Vec<Step> {
    let mut chunk = steps.len().div_ceil(2);
    while chunk > 0 {
        let before = steps.len();
        let mut end = steps.len();
        // From the back, where what matters is more likely to be near.
        while end > 0 {
            if is_over() {
                return steps;
            }
            let start = end.saturating_sub(chunk);
            let fewer = [&steps[..start], &steps[end..]].concat();
            if breaks(&fewer) {
                steps = fewer;
            }
            end = start;
        }
        if chunk > 1 || steps.len() == before {
            chunk /= 2;
        }
    }
    // Two waits are one.
    let mut at = 1;
    while at < steps.len() && !is_over() {
        let mut fewer = steps.clone();
        if let Some(wait) = both(&steps[at - 1], &steps[at]) {
            fewer.splice(at - 1..=at, [wait]);
        }
        match fewer.len() < steps.len() && breaks(&fewer) {
            true => steps = fewer,
            false => at += 1,
        }
    }
    // What is left of what somebody says.
    for at in 0..steps.len() {
        let mut ask = 0;
        while let Step::Say { asks, .. } = &steps[at]
            && ask < asks.len()
            && asks.len() > 1
        {
            let mut fewer = steps.clone();
            if let Step::Say { asks, .. } = &mut fewer[at] {
                asks.remove(ask);
            }
            match breaks(&fewer) {
                true => steps = fewer,
                false => ask += 1,
            }
        }
    }
    steps
}

/// One wait in the place of two.
fn both(first: &Step, second: &Step) -> Option<Step> {
    match (first, second) {
        (Step::Advance(a), Step::Advance(b)) => a.checked_add(*b).map(Step::Advance),
        (Step::Lag(a), Step::Lag(b)) => a.checked_add(*b).map(Step::Lag),
        _ => None,
    }
}

/// The steps as a test to be named.
///
/// ```
/// use fastws_soak::shrink::as_test;
/// use fastws_soak::step::{Ask, Order, Step};
///
/// let asks = vec![Ask::Echo(3), Ask::Fail];
/// let end = Step::Order { topic: 5, order: Order::End };
/// assert_eq!(as_test(7, 2, &[Step::Say { who: 1, asks }, end, Step::Rest]), "\
/// #[test]
/// fn a_law() {
///     let steps = [
///         Step::Say { who: 1, asks: vec![Ask::Echo(3), Ask::Fail] },
///         Step::Order { topic: 5, order: Order::End },
///         Step::Rest,
///     ];
///     play(7, 2, &steps);
/// }
/// ");
/// ```
pub fn as_test(seed: u64, clients: u32, steps: &[Step]) -> String {
    let line = |step: &Step| match step {
        Step::Say { who, asks } => {
            let asks: Vec<String> = asks.iter().map(|ask| format!("Ask::{ask:?}")).collect();
            format!("Say {{ who: {who}, asks: vec![{}] }}", asks.join(", "))
        }
        Step::Fate { topic, fate } => format!("Fate {{ topic: {topic}, fate: Fate::{fate:?} }}"),
        Step::Order { topic, order } => {
            format!("Order {{ topic: {topic}, order: Order::{order:?} }}")
        }
        step => format!("{step:?}"),
    };
    let lines = steps.iter().map(|step| format!("        Step::{},\n", line(step)));
    let lines: String = lines.collect();
    format!(
        "#[test]\nfn a_law() {{\n    let steps = [\n{lines}    ];\n    play({seed}, {clients}, &steps);\n}}\n"
    )
}

thread_local! {
    /// While somebody listens, the first panic that was not planned.
    static FOUND: RefCell<Option<Option<Broken>>> = const { RefCell::new(None) };
}

/// Tells what has panicked in there, in silence.
fn listen<T>(play: impl FnOnce() -> T) -> Result<T, Broken> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            let said = info.payload();
            let words = said.downcast_ref::<&str>().map(ToString::to_string);
            let words = words.or_else(|| said.downcast_ref::<String>().cloned());
            let words = words.unwrap_or_default();
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let is_heard = FOUND.try_with(|found| match &mut *found.borrow_mut() {
                Some(first) if words != PLANNED => {
                    first.get_or_insert(Broken { place, words });
                    true
                }
                found => found.is_some(),
            });
            if is_heard != Ok(true) {
                usual(info);
            }
        }));
    });
    FOUND.set(Some(None));
    let played = catch_unwind(AssertUnwindSafe(play));
    // One that was caught where handlers' are is none of theirs.
    match (played, FOUND.take().flatten()) {
        (_, Some(broken)) => Err(broken),
        (Ok(played), None) => Ok(played),
        (Err(_), None) => unreachable!("every panic is heard of"),
    }
}
