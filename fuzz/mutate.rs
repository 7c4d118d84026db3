//! Changes inputs at random, the same way for the same seed.
//!
//! Called by the search. Bytes are flipped, set, copied, cut and spliced; in texts numbers and words are exchanged as
//! well, so that a change gets past the parser to what reads the values.

/// A small generator of random numbers (SplitMix64): fast, and the same on every machine.
pub struct Random(u64);

impl Random {
    /// Numbers that follow from a seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of a list.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }
}

/// Numbers at the edges of types, as bytes.
const EDGES: [u64; 18] = [
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    0x1_0000_0000,
    0x7FFF_FFFF_FFFF_FFFF,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Numbers that readers of text stumble over.
const NUMBERS: [&str; 24] = [
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "0.5",
    "1e9",
    "1e18",
    "1e300",
    "-1e300",
    "1e-300",
    "1e999",
    "NaN",
    "inf",
    "255",
    "256",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "99999999999999999999",
];

/// Signs and words that structure texts.
const SIGNS: [&str; 26] = [
    "[",
    "]",
    "{",
    "}",
    "[]",
    "{}",
    "\"",
    "\"\"",
    ",",
    ":",
    ";",
    "<",
    ">",
    "/>",
    "</",
    "&amp;",
    "&#0;",
    "&",
    "null",
    "true",
    "\\u0000",
    "\\ud800",
    "\n",
    " ",
    "<![CDATA[",
    "<!--",
];

/// A row long enough that a parser which looks at everything again for every item takes seconds.
const LONG_ROW_BYTES: usize = 1 << 19;

/// Longest input that is made.
const MAX_INPUT_BYTES: usize = 1 << 20;

/// Makes new inputs out of known ones.
pub struct Mutator {
    is_text: bool,
    /// Words of the seeds.
    words: Vec<Vec<u8>>,
}

impl Mutator {
    /// For inputs like these seeds.
    pub fn new(is_text: bool, seeds: &[Vec<u8>]) -> Self {
        let mut words: Vec<Vec<u8>> = Vec::new();
        if is_text {
            words.extend(SIGNS.iter().chain(&NUMBERS).map(|word| word.as_bytes().to_vec()));
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            let of_seeds = seeds.iter().flat_map(|seed| seed.split(|byte| !is_word(byte)));
            words.extend(of_seeds.filter(|word| (2..40).contains(&word.len())).map(<[u8]>::to_vec));
            words.sort_unstable();
            words.dedup();
        }
        Mutator { is_text, words }
    }

    /// `input` with a few changes; `other` is what may be spliced in.
    pub fn changed(&self, random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        let changes = 1 + random.below(2) + if random.once_in(4) { random.below(8) } else { 0 };
        for _ in 0..changes {
            if self.is_text && !random.once_in(3) {
                self.change_text(random, &mut bytes);
            } else {
                change_bytes(random, &mut bytes, other);
            }
        }
        bytes.truncate(MAX_INPUT_BYTES);
        bytes
    }

    fn change_text(&self, random: &mut Random, bytes: &mut Vec<u8>) {
        let word = random.pick(&self.words).cloned().unwrap_or_else(Vec::new);
        match random.below(6) {
            // A number for a number.
            0 | 1 => {
                let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'.';
                let range = run_of(random, bytes, is_digit);
                let number = match random.below(3) {
                    0 => random.below(20).to_string(),
                    _ => (*random.pick(&NUMBERS).expect("there are some")).to_owned(),
                };
                bytes.splice(range, number.into_bytes());
            }
            // A word for a word.
            2 | 3 => {
                let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
                let range = run_of(random, bytes, is_letter);
                bytes.splice(range, word);
            }
            4 => {
                let at = random.below(bytes.len() + 1);
                bytes.splice(at..at, word);
            }
            // Deep nesting, or a long row of the same; now and then so long that what takes quadratic time shows.
            _ => {
                let at = random.below(bytes.len() + 1);
                let most_bytes = if random.once_in(32) { LONG_ROW_BYTES } else { 1 << 13 };
                let repeated = match random.below(2) {
                    0 => word,
                    _ => bytes[block(random, bytes.len())].to_vec(),
                };
                let times = (1_usize << random.below(20)).min(most_bytes / repeated.len().max(1));
                bytes.splice(at..at, repeated.repeat(times));
            }
        }
    }
}

/// The run of such bytes that begins first after a random place; an empty range where there is none.
fn run_of(random: &mut Random, bytes: &[u8], is_such: impl Fn(u8) -> bool) -> std::ops::Range<usize> {
    let from = random.below(bytes.len() + 1);
    let start = from + bytes[from..].iter().take_while(|byte| !is_such(**byte)).count();
    start..start + bytes[start..].iter().take_while(|byte| is_such(**byte)).count()
}

/// A random block, mostly a short one.
fn block(random: &mut Random, length: usize) -> std::ops::Range<usize> {
    let start = random.below(length + 1);
    let most = if random.once_in(4) { length - start } else { (length - start).min(32) };
    start..start + random.below(most + 1)
}

fn change_bytes(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(bytes.len());
    match random.below(10) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
        // A number at the edge of its type, in either byte order.
        2 | 3 => {
            let width = [1, 2, 4, 8][random.below(4)];
            let edge = EDGES[random.below(EDGES.len())].wrapping_add(random.below(3) as u64).wrapping_sub(1);
            let (little, big) = (edge.to_le_bytes(), edge.to_be_bytes());
            let number = if random.once_in(2) { &little[..width] } else { &big[8 - width..] };
            for (byte, new) in bytes.iter_mut().skip(at).zip(number) {
                *byte = *new;
            }
        }
        // A small step, which keeps lengths nearly right.
        4 if !bytes.is_empty() => bytes[at] = bytes[at].wrapping_add(random.below(9) as u8).wrapping_sub(4),
        5 => drop(bytes.drain(block(random, bytes.len()))),
        6 => {
            let copied = bytes[block(random, bytes.len())].to_vec();
            bytes.splice(at..at, copied);
        }
        7 => {
            let copied = bytes[block(random, bytes.len())].to_vec();
            for (byte, new) in bytes.iter_mut().skip(at).zip(copied) {
                *byte = new;
            }
        }
        // The beginning of one and the end of the other.
        8 => {
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend(&other[from..]);
        }
        9 if random.once_in(3) => bytes.truncate(at),
        _ => {
            let from = block(random, other.len());
            bytes.splice(at..at, other[from].iter().copied());
        }
    }
}
