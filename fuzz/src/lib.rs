//! What the fuzz targets share: how a stream comes in pieces.

/// Takes the first line off an input, which says how the rest of it comes: any text, in which each
/// byte counts.
pub fn first_line(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[]),
    }
}

/// Where the pieces end in which `length` bytes come, the last one at `length`: byte by byte, all at
/// once or anything between, as `how` has it.
pub fn piece_ends(how: &[u8], length: usize) -> Vec<usize> {
    // FNV-1a, then xorshift64: the same input always comes in the same pieces.
    let mut state = how.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    // Pieces up to 1, 2, 4 … bytes, but not so small that there would be thousands.
    let longest = (1 << (random() % 18)).max(length as u64 / 500);
    let mut ends = Vec::new();
    let mut end = 0;
    while end < length {
        let piece = 1 + random() % longest;
        end = length.min(end + piece as usize);
        ends.push(end);
    }
    ends
}
