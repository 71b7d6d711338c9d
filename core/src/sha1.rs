//! The digest that a handshake's answer is made of. Knows nothing else of handshakes.

/// SHA-1 of 60 bytes, which are a key and the protocol's own (RFC 3174; RFC 6455 section 1.3). It keeps no
/// secret, and is made once for each connection: so it is short instead of fast.
pub(crate) fn sha1(text: &[u8; 60]) -> [u8; 20] {
    // Behind the text stand a one, zeros, and its length in bits, up to the end of a block.
    let mut blocks = [0; 128];
    blocks[..60].copy_from_slice(text);
    blocks[60] = 0x80;
    blocks[126..].copy_from_slice(&(60_u16 * 8).to_be_bytes());
    let mut digest = START;
    for block in blocks.as_chunks::<64>().0 {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        for at in 16..80 {
            let mixed = words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16];
            words[at] = mixed.rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = digest;
        for (at, word) in words.into_iter().enumerate() {
            let (mix, constant) = match at {
                0..20 => (b & c | !b & d, 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a.rotate_left(5).wrapping_add(mix).wrapping_add(e).wrapping_add(word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next.wrapping_add(constant));
        }
        for (sum, part) in digest.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut bytes = [0; 20];
    bytes.as_chunks_mut().0.iter_mut().zip(digest).for_each(|(to, word)| *to = word.to_be_bytes());
    bytes
}

const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
