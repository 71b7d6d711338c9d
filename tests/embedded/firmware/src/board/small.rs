//! The serial line of an LM3S6965, a PL011. Knows its registers (data sheet, sections 5.5 and 12.5).

use crate::driver::Serial;
use core::ptr::{read_volatile, write_volatile};

/// The first serial line.
pub struct Uart;

impl Uart {
    /// Switches it on.
    pub fn on() -> Self {
        // SAFETY: these registers are there, and nothing else in this program touches them.
        unsafe {
            write_volatile(CLOCKS, 1);
            write_volatile(UART.wrapping_add(LINE_CONTROL), EIGHT_BITS | QUEUES);
            write_volatile(UART.wrapping_add(CONTROL), RECEIVE | TRANSMIT | ENABLE);
        }
        Self
    }
}

impl Serial for Uart {
    fn read(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            // SAFETY: reading these takes one byte from the queue, or tells that there is none.
            unsafe {
                while read_volatile(UART.wrapping_add(FLAGS)) & NOTHING_CAME != 0 {}
                *byte = read_volatile(UART) as u8;
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // SAFETY: a byte that is written here once there is room is sent.
            unsafe {
                while read_volatile(UART.wrapping_add(FLAGS)) & NO_ROOM != 0 {}
                write_volatile(UART, byte.into());
            }
        }
    }
}

const CLOCKS: *mut u32 = 0x400f_e104 as *mut u32;
/// Its first register takes and gives bytes.
const UART: *mut u32 = 0x4000_c000 as *mut u32;
// The others, in words behind it.
const FLAGS: usize = 0x18 / 4;
const LINE_CONTROL: usize = 0x2c / 4;
const CONTROL: usize = 0x30 / 4;

const NOTHING_CAME: u32 = 1 << 4;
const NO_ROOM: u32 = 1 << 5;
const QUEUES: u32 = 1 << 4;
const EIGHT_BITS: u32 = 3 << 5;
const ENABLE: u32 = 1;
const TRANSMIT: u32 = 1 << 8;
const RECEIVE: u32 = 1 << 9;
