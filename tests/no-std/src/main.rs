//! A program for the host that links neither std nor libc. Plays the script and the tight one on memory in
//! statics, and prints what came of them; any argument makes it panic instead. Knows x86-64 Linux.
#![no_std]
#![no_main]

mod bare;

use core::fmt::{self, Write as _};
use fastws_script::player::{Event, play};
use fastws_script::script::{self, SCRIPT};
use fastws_script::tight::{self, TIGHT};
use fastws_script::transcript::Transcript;

static mut MEMORY: script::Memory = script::Memory::new();
static mut TIGHT_MEMORY: tight::Memory = tight::Memory::new();
static mut PAGE: [u8; 4096] = [0; 4096];

/// Called once, on the first thread, with the number of words of the command line.
extern "C" fn main(words: usize) -> ! {
    let (memory, tight_memory, page) = (&raw mut MEMORY, &raw mut TIGHT_MEMORY, &raw mut PAGE);
    // SAFETY: there is one thread, and it comes here once.
    let (memory, tight_memory, page) = unsafe { (&mut *memory, &mut *tight_memory, &mut *page) };
    assert!(words == 1, "somebody asked for a panic");

    let mut transcript = Transcript::new(Output { page, len: 0 });
    let mut add = |event: Event<'_>| {
        transcript.add(event).expect("standard output takes everything");
    };
    play(&mut memory.lend(), SCRIPT, &mut add);
    play(&mut tight_memory.lend(), TIGHT, &mut add);
    let mut output = transcript.end().expect("standard output takes everything");
    output.flush().expect("standard output takes everything");
    bare::exit(0)
}

/// Standard output, a page at a time.
struct Output {
    page: &'static mut [u8],
    len: usize,
}

impl Output {
    fn flush(&mut self) -> fmt::Result {
        let mut rest = &self.page[..core::mem::take(&mut self.len)];
        while !rest.is_empty() {
            let written = bare::write(bare::OUTPUT, rest).ok_or(fmt::Error)?;
            rest = &rest[written..];
        }
        Ok(())
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.len == self.page.len() {
                self.flush()?;
            }
            self.page[self.len] = byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// Standard error, unbuffered.
struct Errors;

impl fmt::Write for Errors {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        bare::write(bare::ERRORS, text.as_bytes()).map(drop).ok_or(fmt::Error)
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(Errors, "{info}");
    bare::exit(101)
}
