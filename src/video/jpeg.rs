//! Whether a JPEG holds all of its picture.
//!
//! Decoders fill what is cut or corrupt with something and call it a picture. This reads the Huffman codes of baseline
//! JPEGs without making pixels of them: a scan must hold exactly the blocks its frame has, and end at a marker. Where
//! bytes are wrong, codes fall out of step, and the count hardly ever comes out even. Of progressive and other JPEGs only
//! the end is looked for. Called by [`images`](super::images).

/// Some cameras fill up a scan to a whole word of 32 bits, with anything.
const PADDING_BYTES: u32 = 3;
/// Others to a longer one, with zeros.
const ZERO_PADDING_BYTES: u32 = 15;
const SAMPLES: usize = 8;

/// Whether the file runs to its end-of-image marker and its scans hold what they should. What follows that marker is no
/// part of the picture: phones append data of their own. Where every block was counted, the marker itself may be missing.
pub(super) fn is_whole(jpeg: &[u8]) -> bool {
    let (mut tables, mut frame, mut restart_interval, mut has_scan) = (Tables::default(), None, 0, false);
    let mut counted = Vec::new();
    let mut rest = jpeg;
    loop {
        // Stuffed bytes and restart markers of scans that were not read are passed over here.
        let Some(start) = rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff)) else {
            let is_counted = |frame: FrameHeader| frame.components.iter().all(|one| counted.contains(&one.id));
            return has_scan && frame.is_some_and(is_counted);
        };
        let marker = rest[start + 1];
        rest = &rest[start + 2..];
        match marker {
            0xd9 => return has_scan,
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let Some(&[high, low]) = rest.first_chunk() else { return false };
        let length = usize::from(u16::from_be_bytes([high, low])).max(2);
        let Some((segment, behind)) = rest.split_at_checked(length) else { return false };
        rest = behind;
        let segment = &segment[2..];
        match marker {
            0xc4 => tables.read(segment),
            0xc0 | 0xc1 => frame = FrameHeader::read(segment),
            0xc2..=0xcf if marker != 0xc8 && marker != 0xcc => frame = None,
            0xdd => {
                restart_interval = segment.first_chunk().map_or(0, |&bytes| usize::from(u16::from_be_bytes(bytes)));
            }
            0xda => {
                has_scan = true;
                let scan = frame.as_ref().and_then(|frame| Scan::read(segment, frame, &tables, restart_interval));
                if let Some(scan) = scan {
                    match scan.end(rest) {
                        Some(end) => {
                            counted.extend(scan.components);
                            rest = &rest[end..];
                        }
                        None => return false,
                    }
                }
            }
            _ => {}
        }
    }
}

/// Huffman codes by their first 16 bits: the symbol, and above it the length in bits, 0 where no code begins like that.
type Codes = Box<[u16]>;

/// Tables 0 to 3 for DC, then those for AC.
#[derive(Default)]
struct Tables([Option<Codes>; 8]);

impl Tables {
    /// ITU-T T.81, B.2.4.2: class and number, how many codes of each length, and their symbols.
    fn read(&mut self, mut segment: &[u8]) {
        while let Some((&name, behind)) = segment.split_first()
            && let Some((counts, behind)) = behind.split_at_checked(16)
            && let Some((symbols, behind)) =
                behind.split_at_checked(counts.iter().map(|&count| usize::from(count)).sum::<usize>())
        {
            segment = behind;
            let mut codes = vec![0; 1 << 16];
            let (mut symbols, mut start) = (symbols.iter(), 0);
            for (bits, &count) in (1..).zip(counts) {
                for &symbol in symbols.by_ref().take(usize::from(count)) {
                    let end = start + (1 << (16 - bits));
                    let Some(places) = codes.get_mut(start..end) else { return };
                    places.fill(bits << 8 | u16::from(symbol));
                    start = end;
                }
            }
            if let Some(table) = self.0.get_mut(usize::from(name >> 4) * 4 + usize::from(name & 15)) {
                *table = Some(codes.into());
            }
        }
    }
}

struct Component {
    id: u8,
    /// Blocks across and down in a unit of the interleaved scan.
    across: usize,
    down: usize,
}

struct FrameHeader {
    width: usize,
    height: usize,
    components: Vec<Component>,
}

impl FrameHeader {
    /// B.2.2. `None` where it says nothing that could be counted.
    fn read(segment: &[u8]) -> Option<Self> {
        let (head, behind) = segment.split_at_checked(6)?;
        let components = behind.chunks_exact(3).take(usize::from(head[5])).map(|component| Component {
            id: component[0],
            across: usize::from(component[1] >> 4),
            down: usize::from(component[1] & 15),
        });
        let side = |at: usize| usize::from(u16::from_be_bytes([head[at], head[at + 1]]));
        let frame = FrameHeader { width: side(3), height: side(1), components: components.collect() };
        let is_sound = frame.height > 0 && frame.components.iter().all(|one| one.across > 0 && one.down > 0);
        is_sound.then_some(frame)
    }
}

struct Scan<'a> {
    /// Their ids.
    components: Vec<u8>,
    /// DC and AC codes of each block of a unit.
    blocks: Vec<(&'a [u16], &'a [u16])>,
    units: usize,
    /// Units between two restart markers; 0 where there are none.
    restart_interval: usize,
}

impl<'a> Scan<'a> {
    /// B.2.3. `None` where a component or its codes are not known, which is the decoder's affair.
    fn read(segment: &[u8], frame: &FrameHeader, tables: &'a Tables, restart_interval: usize) -> Option<Self> {
        let (&count, behind) = segment.split_first()?;
        let mut chosen = Vec::new();
        for selector in behind.chunks_exact(2).take(usize::from(count)) {
            let component = frame.components.iter().find(|component| component.id == selector[0])?;
            let dc = tables.0.get(usize::from(selector[1] >> 4).min(3))?.as_deref()?;
            let ac = tables.0.get(4 + usize::from(selector[1] & 15).min(3))?.as_deref()?;
            chosen.push((component, dc, ac));
        }
        let widest = frame.components.iter().map(|component| component.across).max()?;
        let highest = frame.components.iter().map(|component| component.down).max()?;
        // A.2: a scan of one component has no padding to whole units.
        let (units, blocks) = match chosen.as_slice() {
            [] => return None,
            [(component, dc, ac)] => {
                let across = (frame.width * component.across).div_ceil(widest).div_ceil(SAMPLES);
                let down = (frame.height * component.down).div_ceil(highest).div_ceil(SAMPLES);
                (across * down, vec![(*dc, *ac)])
            }
            several => {
                let units = frame.width.div_ceil(SAMPLES * widest) * frame.height.div_ceil(SAMPLES * highest);
                let blocks = several
                    .iter()
                    .flat_map(|(component, dc, ac)| std::iter::repeat_n((*dc, *ac), component.across * component.down));
                (units, blocks.collect())
            }
        };
        let components = chosen.iter().map(|(component, ..)| component.id).collect();
        Some(Scan { components, blocks, units, restart_interval })
    }

    /// Where the scan ends in the data behind its header. `None` when it does not hold just its blocks.
    fn end(&self, data: &[u8]) -> Option<usize> {
        let mut bits = Bits { data, position: 0, waiting: 0, count: 0 };
        for unit in 0..self.units {
            if self.restart_interval > 0 && unit > 0 && unit.is_multiple_of(self.restart_interval) {
                bits.close()?;
                // D0 to D7 in turn.
                let marker = 0xd0 | ((unit / self.restart_interval - 1) & 7) as u8;
                if data.get(bits.position + 1) != Some(&marker) {
                    return None;
                }
                bits.position += 2;
            }
            for (dc, ac) in &self.blocks {
                bits.pass_block(dc, ac)?;
            }
        }
        bits.close()?;
        Some(bits.position)
    }
}

/// The bits of a scan, up to the next marker.
struct Bits<'a> {
    data: &'a [u8],
    position: usize,
    /// Bits read and not used yet: the low `count` ones.
    waiting: u64,
    count: u32,
}

impl Bits<'_> {
    /// Takes in the next byte. False at a marker and at the end of the data.
    fn fill(&mut self) -> bool {
        let Some(&byte) = self.data.get(self.position) else { return false };
        let stuffed = byte == 0xff;
        if stuffed && self.data.get(self.position + 1) != Some(&0) {
            return false;
        }
        self.position += if stuffed { 2 } else { 1 };
        self.waiting = self.waiting << 8 | u64::from(byte);
        self.count += 8;
        true
    }

    fn pass(&mut self, bits: u32) -> Option<()> {
        while self.count < bits {
            if !self.fill() {
                return None;
            }
        }
        self.count -= bits;
        Some(())
    }

    fn symbol(&mut self, codes: &[u16]) -> Option<u8> {
        while self.count < 16 && self.fill() {}
        let ahead = if self.count < 16 { self.waiting << (16 - self.count) } else { self.waiting >> (self.count - 16) };
        let code = codes[(ahead & 0xffff) as usize];
        if code == 0 {
            return None;
        }
        self.pass(u32::from(code >> 8))?;
        Some(code as u8)
    }

    /// F.2.2: the difference of the mean, then runs of zeros and what follows each.
    fn pass_block(&mut self, dc: &[u16], ac: &[u16]) -> Option<()> {
        let size = self.symbol(dc)?;
        self.pass(u32::from(size & 15))?;
        let mut place = 1;
        while place < 64 {
            let symbol = self.symbol(ac)?;
            let (run, size) = (symbol >> 4, symbol & 15);
            match (run, size) {
                (15, 0) => place += 16,
                (_, 0) => break,
                _ => {
                    place += run + 1;
                    self.pass(u32::from(size))?;
                }
            }
        }
        (place <= 64).then_some(())
    }

    /// Moves to the marker behind the last code. `None` where more than padding lies between.
    fn close(&mut self) -> Option<()> {
        let mut left = self.count / 8;
        let mut are_zeros = self.waiting.trailing_zeros() >= left * 8;
        while self.fill() {
            left += 1;
            are_zeros &= self.waiting & 0xff == 0;
            if left > ZERO_PADDING_BYTES {
                return None;
            }
        }
        self.count = 0;
        // Zeros without a marker behind them may stand where codes are lost.
        if left > PADDING_BYTES && !(are_zeros && self.position < self.data.len()) {
            return None;
        }
        // Markers may have any number of fill bytes before them.
        while self.data.get(self.position..self.position + 2) == Some(&[0xff, 0xff]) {
            self.position += 1;
        }
        Some(())
    }
}
