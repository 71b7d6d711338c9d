//! A board as QEMU has it: its serial line, its memory, its end. Knows no protocol.

#[cfg(feature = "alloc")]
mod large;
#[cfg(not(feature = "alloc"))]
mod small;

#[cfg(feature = "alloc")]
pub use large::Uart;
#[cfg(not(feature = "alloc"))]
pub use small::Uart;

use core::fmt::Write as _;
use core::panic::PanicInfo;
use core::ptr::read_volatile;
use cortex_m_rt::{ExceptionFrame, STACK_PAINT_VALUE, exception};
use cortex_m_semihosting::{debug, hio};

/// Prints what this program has used, and `figures` of its own, and switches the board off.
pub fn switch_off(figures: &[(&str, usize)]) -> ! {
    let Image { text, rodata, data, bss } = image();
    let sizes =
        [("text", text), ("rodata", rodata), ("data", data), ("bss", bss), ("stack", stack())];
    let mut output = hio::hstderr().expect("the emulator takes what is printed");
    for (name, bytes) in sizes.iter().chain(figures) {
        writeln!(output, "{name} {bytes}").expect("the emulator takes what is printed");
    }
    loop {
        debug::exit(debug::EXIT_SUCCESS);
    }
}

struct Image {
    text: usize,
    rodata: usize,
    data: usize,
    bss: usize,
}

fn image() -> Image {
    let between = |start: *const u32, end: *const u32| end.addr() - start.addr();
    Image {
        text: between(&raw const __stext, &raw const __etext),
        rodata: between(&raw const __srodata, &raw const __erodata),
        data: between(&raw const __sdata, &raw const __edata),
        bss: between(&raw const __sbss, &raw const __ebss),
    }
}

/// How deep the stack was at most: above the paint that is left.
fn stack() -> usize {
    let (mut word, top) = (&raw const _stack_end, &raw const _stack_start);
    // SAFETY: between these two addresses is RAM, and what is in use of it ends the loop before.
    while unsafe { read_volatile(word) } == STACK_PAINT_VALUE {
        word = word.wrapping_add(1);
    }
    assert!(word != &raw const _stack_end, "the stack was too small");
    top.addr() - word.addr()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // What was said with it would more than double the program.
    let place = info.location().expect("a panic has a place");
    fail(format_args!("panicked at {}:{}", place.file(), place.line()))
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    fail(format_args!("a fault at {:#x}", frame.pc()))
}

fn fail(why: core::fmt::Arguments<'_>) -> ! {
    if let Ok(mut output) = hio::hstderr() {
        let _ = writeln!(output, "{why}");
    }
    loop {
        debug::exit(debug::EXIT_FAILURE);
    }
}

// The linker's names for where things begin and end.
unsafe extern "C" {
    static __stext: u32;
    static __etext: u32;
    static __srodata: u32;
    static __erodata: u32;
    static __sdata: u32;
    static __edata: u32;
    static __sbss: u32;
    static __ebss: u32;
    static _stack_start: u32;
    static _stack_end: u32;
}
