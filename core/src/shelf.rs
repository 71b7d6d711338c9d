//! Memory that is owned and grows, or lent and fixed. Knows nothing of what it holds.

#[cfg(feature = "alloc")]
use alloc::{boxed::Box, vec::Vec};
use core::fmt;
use core::ops::{Deref, DerefMut};
use heapless::vec::VecView;

/// There is no room. Whatever was tried has changed nothing.
///
/// ```
/// use fastws_core::config::Config;
/// use fastws_core::engine::Engine;
/// use fastws_core::shelf::Full;
/// use fastws_core::time::Instant;
/// let mut engine = Engine::new(Config { connections: 0, ..Config::default() }, 0);
/// assert_eq!(engine.open(Instant::ZERO, [7; 16]), Err(Full));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room is left in the memory that was set aside")
    }
}

impl core::error::Error for Full {}

/// A row of `T`: a `Vec` of its own, or a view of memory that the driver lends for `'m`.
pub(crate) enum Shelf<'m, T> {
    #[cfg(feature = "alloc")]
    Owned(Vec<T>),
    Lent(&'m mut VecView<T>),
}

impl<T> Shelf<'_, T> {
    pub(crate) fn push(&mut self, item: T) -> Result<(), Full> {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned(row) => row.push(item),
            Self::Lent(row) => row.push(item).map_err(|_| Full)?,
        }
        Ok(())
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned(row) => row.pop(),
            Self::Lent(row) => row.pop(),
        }
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned(row) => row.truncate(len),
            Self::Lent(row) => row.truncate(len),
        }
    }

    /// How many more fit. Owned memory is bounded by its user's limits, not here.
    pub(crate) fn room(&self) -> usize {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned(_) => usize::MAX,
            Self::Lent(row) => row.capacity() - row.len(),
        }
    }
}

impl<T: Copy> Shelf<'_, T> {
    #[inline]
    pub(crate) fn extend(&mut self, items: &[T]) -> Result<(), Full> {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned(row) => row.extend_from_slice(items),
            Self::Lent(row) => row.extend_from_slice(items).map_err(|_| Full)?,
        }
        Ok(())
    }

    /// Removes the first `count` items. O(rest).
    pub(crate) fn discard_front(&mut self, count: usize) {
        let rest = self.len() - count;
        self.copy_within(count.., 0);
        self.truncate(rest);
    }
}

impl<T> Deref for Shelf<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned(row) => row,
            Self::Lent(row) => lent(row),
        }
    }
}

impl<T> DerefMut for Shelf<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned(row) => row,
            Self::Lent(row) => lent_mut(row),
        }
    }
}

// Every message looks into a dozen shelves: where there is a heap, they are to be found with one branch
// that is never taken.
#[cfg_attr(feature = "alloc", cold, inline(never))]
fn lent<T>(row: &VecView<T>) -> &[T] {
    row
}

#[cfg_attr(feature = "alloc", cold, inline(never))]
fn lent_mut<T>(row: &mut VecView<T>) -> &mut [T] {
    row
}

/// A byte buffer for each row of a table: a `Vec` each, or equal cuts of one lent block.
pub(crate) enum Buffers<'m> {
    #[cfg(feature = "alloc")]
    Owned {
        rows: Vec<Thin>,
        limit: usize,
    },
    Lent {
        block: &'m mut [u8],
        lens: &'m mut [u32],
    },
}

impl Buffers<'_> {
    /// Row `index`. Owned rows appear when they are first asked for.
    #[inline]
    pub(crate) fn row(&mut self, index: usize) -> Buffer<'_> {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned { rows, limit } => {
                if rows.len() <= index {
                    grow(rows, index);
                }
                Buffer::Owned { bytes: &mut rows[index], limit: *limit }
            }
            Self::Lent { block, lens } => {
                let each = block.len() / lens.len();
                Buffer::Lent { bytes: &mut block[index * each..][..each], len: &mut lens[index] }
            }
        }
    }

    #[inline]
    pub(crate) fn bytes(&self, index: usize) -> &[u8] {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned { rows, .. } => rows.get(index).map_or(&[], bytes_of),
            Self::Lent { block, lens } => {
                let each = block.len() / lens.len();
                &block[index * each..][..lens[index] as usize]
            }
        }
    }
}

/// An owned row. Nearly all are empty, and there are two for each connection.
#[cfg(feature = "alloc")]
pub(crate) type Thin = Option<Box<Vec<u8>>>;

/// For a row that was never used before.
#[cfg(feature = "alloc")]
#[cold]
fn grow(rows: &mut Vec<Thin>, index: usize) {
    rows.resize_with(index + 1, || None);
}

#[cfg(feature = "alloc")]
#[inline]
fn bytes_of(row: &Thin) -> &[u8] {
    row.as_deref().map_or(&[], Vec::as_slice)
}

/// One row of [`Buffers`]. An owned row that is emptied gives its allocation back.
pub(crate) enum Buffer<'b> {
    #[cfg(feature = "alloc")]
    Owned {
        bytes: &'b mut Thin,
        limit: usize,
    },
    Lent {
        bytes: &'b mut [u8],
        len: &'b mut u32,
    },
}

impl Buffer<'_> {
    /// How many more bytes fit.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned { bytes, limit } => limit.saturating_sub(bytes_of(bytes).len()),
            Self::Lent { bytes, len } => bytes.len() - **len as usize,
        }
    }

    pub(crate) fn extend(&mut self, more: &[u8]) -> Result<(), Full> {
        if more.len() > self.room() {
            return Err(Full);
        }
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned { bytes, .. } => bytes.get_or_insert_default().extend_from_slice(more),
            Self::Lent { bytes, len } => {
                let end = **len as usize + more.len();
                bytes[**len as usize..end].copy_from_slice(more);
                **len = end as u32;
            }
        }
        Ok(())
    }

    /// Adds `count` zeroes.
    pub(crate) fn pad(&mut self, count: usize) -> Result<(), Full> {
        if count > self.room() {
            return Err(Full);
        }
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned { bytes, .. } => {
                let bytes = bytes.get_or_insert_default();
                bytes.resize(bytes.len() + count, 0);
            }
            Self::Lent { bytes, len } => {
                let end = **len as usize + count;
                bytes[**len as usize..end].fill(0);
                **len = end as u32;
            }
        }
        Ok(())
    }

    pub(crate) fn truncate(&mut self, to: usize) {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned { bytes, .. } if to == 0 => **bytes = None,
            #[cfg(feature = "alloc")]
            Self::Owned { bytes, .. } => {
                if let Some(bytes) = bytes {
                    bytes.truncate(to);
                }
            }
            Self::Lent { len, .. } => **len = (**len).min(to as u32),
        }
    }

    /// Removes the first `count` bytes. O(rest).
    pub(crate) fn discard_front(&mut self, count: usize) {
        if count > 0 {
            let rest = self.len() - count;
            self.copy_within(count.., 0);
            self.truncate(rest);
        }
    }
}

impl Deref for Buffer<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned { bytes, .. } => bytes_of(bytes),
            Self::Lent { bytes, len } => &bytes[..**len as usize],
        }
    }
}

impl DerefMut for Buffer<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned { bytes, .. } => bytes.as_deref_mut().map_or(&mut [], Vec::as_mut_slice),
            Self::Lent { bytes, len } => &mut bytes[..**len as usize],
        }
    }
}

/// Where encoded bytes go.
pub(crate) trait Sink {
    /// All of `bytes` or, on [`Full`], nothing.
    fn put(&mut self, bytes: &[u8]) -> Result<(), Full>;
}

impl Sink for Shelf<'_, u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.extend(bytes)
    }
}

impl Sink for &mut VecView<u8> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.extend_from_slice(bytes).map_err(|_| Full)
    }
}

#[cfg(feature = "alloc")]
impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}
