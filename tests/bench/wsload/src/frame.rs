//! RFC 6455 framing, client side: masked frames out, unmasked frames in. Knows bytes; must not
//! know sockets.

pub const OP_TEXT: u8 = 1;
pub const OP_BIN: u8 = 2;
pub const OP_CLOSE: u8 = 8;
pub const OP_PING: u8 = 9;
pub const OP_PONG: u8 = 10;

pub fn encode_masked(out: &mut Vec<u8>, opcode: u8, payload: &[u8], key: u32) {
    let n = payload.len();
    out.push(0x80 | opcode);
    if n < 126 {
        out.push(0x80 | n as u8);
    } else if n <= 0xffff {
        out.push(0x80 | 126);
        out.extend_from_slice(&(n as u16).to_be_bytes());
    } else {
        out.push(0x80 | 127);
        out.extend_from_slice(&(n as u64).to_be_bytes());
    }
    let mask = key.to_ne_bytes();
    out.extend_from_slice(&mask);
    let at = out.len();
    out.extend_from_slice(payload);
    let wide = (key as u64) | ((key as u64) << 32);
    let mut chunks = out[at..].chunks_exact_mut(8);
    for c in &mut chunks {
        let v = u64::from_ne_bytes(c.try_into().unwrap()) ^ wide;
        c.copy_from_slice(&v.to_ne_bytes());
    }
    for (i, b) in chunks.into_remainder().iter_mut().enumerate() {
        *b ^= mask[i & 3];
    }
}

pub struct Frame {
    pub opcode: u8,
    pub start: usize,
    pub end: usize,
}

/// Parses one server frame at the start of `b`. `Ok(None)` means more bytes are needed.
/// Anything a plain server must not send here (mask, reserved bits, fragments) is an error,
/// so a peer that corrupts its stream fails the run instead of scoring well.
#[inline]
pub fn parse(b: &[u8]) -> Result<Option<Frame>, String> {
    if b.len() < 2 {
        return Ok(None);
    }
    let (b0, b1) = (b[0], b[1]);
    if b0 & 0x70 != 0 {
        return Err(format!("reserved bits set: {b0:#x}"));
    }
    if b0 & 0x80 == 0 {
        return Err("fragmented message (not supported by wsload)".into());
    }
    if b1 & 0x80 != 0 {
        return Err("masked server frame".into());
    }
    let (start, len) = match b1 {
        126 => {
            if b.len() < 4 {
                return Ok(None);
            }
            (4, u16::from_be_bytes([b[2], b[3]]) as usize)
        }
        127 => {
            if b.len() < 10 {
                return Ok(None);
            }
            (10, u64::from_be_bytes(b[2..10].try_into().unwrap()) as usize)
        }
        n => (2, n as usize),
    };
    if len > 64 << 20 {
        return Err(format!("frame of {len} bytes"));
    }
    let opcode = b0 & 0x0f;
    if !matches!(opcode, OP_TEXT | OP_BIN | OP_CLOSE | OP_PING | OP_PONG) {
        return Err(format!("opcode {opcode}"));
    }
    if b.len() < start + len {
        return Ok(None);
    }
    Ok(Some(Frame { opcode, start, end: start + len }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_example_masked_hello() {
        let mut out = vec![];
        encode_masked(&mut out, OP_TEXT, b"Hello", u32::from_ne_bytes([0x37, 0xfa, 0x21, 0x3d]));
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn masking_round_trips_at_every_length() {
        for n in [0usize, 1, 7, 8, 9, 125, 126, 127, 1000, 65535, 65536, 70000] {
            let payload: Vec<u8> = (0..n).map(|i| i as u8).collect();
            let mut out = vec![];
            encode_masked(&mut out, OP_TEXT, &payload, 0x1234_abcd);
            let head = out.len() - n;
            let key = 0x1234_abcdu32.to_ne_bytes();
            assert_eq!(&out[head - 4..head], &key);
            let back: Vec<u8> =
                out[head..].iter().enumerate().map(|(i, b)| b ^ key[i & 3]).collect();
            assert_eq!(back, payload);
        }
    }

    #[test]
    fn parses_server_frames_and_waits_for_the_rest() {
        let f = parse(&[0x81, 0x05, b'H', b'e', b'l', b'l', b'o']).unwrap().unwrap();
        assert_eq!((f.opcode, f.start, f.end), (OP_TEXT, 2, 7));
        assert!(parse(&[0x81]).unwrap().is_none());
        assert!(parse(&[0x81, 0x05, b'H']).unwrap().is_none());
        assert!(parse(&[0x81, 126, 0]).unwrap().is_none());
        assert!(parse(&[0x81, 0x85, 0, 0, 0, 0]).is_err());
        assert!(parse(&[0xc1, 0x01, 0]).is_err());
        assert!(parse(&[0x01, 0x01, 0]).is_err());
    }
}
