//! The serial line of an MPS2 with the AN385 image. Knows its registers (CMSDK manual, section 4.3).

use crate::driver::Serial;
use core::ptr::{read_volatile, write_volatile};

/// The first serial line.
pub struct Uart;

impl Uart {
    /// Switches it on.
    pub fn on() -> Self {
        // SAFETY: these registers are there, and nothing else in this program touches them.
        unsafe {
            write_volatile(UART.wrapping_add(DIVIDER), FASTEST);
            write_volatile(UART.wrapping_add(CONTROL), RECEIVE | TRANSMIT);
        }
        Self
    }
}

impl Serial for Uart {
    fn read(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            // SAFETY: reading these takes the byte that has come, or tells that there is none.
            unsafe {
                while read_volatile(UART.wrapping_add(STATE)) & CAME == 0 {}
                *byte = read_volatile(UART) as u8;
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // SAFETY: a byte that is written here once there is room is sent.
            unsafe {
                while read_volatile(UART.wrapping_add(STATE)) & NO_ROOM != 0 {}
                write_volatile(UART, byte.into());
            }
        }
    }
}

/// Its first register takes and gives bytes.
const UART: *mut u32 = 0x4000_4000 as *mut u32;
// The others, in words behind it.
const STATE: usize = 1;
const CONTROL: usize = 2;
const DIVIDER: usize = 4;

const NO_ROOM: u32 = 1;
const CAME: u32 = 1 << 1;
const TRANSMIT: u32 = 1;
const RECEIVE: u32 = 1 << 1;
const FASTEST: u32 = 16;
