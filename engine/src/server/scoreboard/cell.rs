//! The scoreboard's smallest parts: counters and gauges with one writer, and short texts.
//!
//! With one writer a load and a store are enough: no locked instruction on the data path.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::runtime::sys::shared_memory::plain_atomics;

plain_atomics! {
    /// Counts up for as long as the segment lives. Only its slot's owner writes it.
    #[derive(Debug)]
    pub struct Counter {
        cell: AtomicU64,
    }
}

impl Counter {
    /// Adds `n`; wraps after 2^64.
    pub fn add(&self, n: u64) {
        self.cell
            .store(self.cell.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The count.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.cell.load(Relaxed)
    }
}

plain_atomics! {
    /// How many of something there are now. Only its slot's owner writes it; a restarted loop starts at zero.
    #[derive(Debug)]
    pub struct Gauge {
        cell: AtomicU64,
    }
}

impl Gauge {
    /// One more.
    pub fn increment(&self) {
        self.cell
            .store(self.cell.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// One less; stays at zero.
    pub fn decrement(&self) {
        self.cell
            .store(self.cell.load(Relaxed).saturating_sub(1), Relaxed);
    }

    /// Exactly `n`.
    pub fn set(&self, n: u64) {
        self.cell.store(n, Relaxed);
    }

    /// The number.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.cell.load(Relaxed)
    }
}

plain_atomics! {
    /// A text of at most 64 bytes, cut at a character's boundary.
    #[derive(Debug)]
    pub struct ShortText {
        words: [AtomicU64; 8],
    }
}

plain_atomics! {
    /// A text of at most 256 bytes, cut at a character's boundary.
    #[derive(Debug)]
    pub struct LongText {
        words: [AtomicU64; 32],
    }
}

impl ShortText {
    /// Writes `text`; what does not fit is left out.
    pub fn set(&self, text: &str) {
        set(&self.words, text);
    }

    /// The text; replacement characters where a reader met a writer.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_text(&self.words)
    }
}

impl LongText {
    /// Writes `text`; what does not fit is left out.
    pub fn set(&self, text: &str) {
        set(&self.words, text);
    }

    /// The text; replacement characters where a reader met a writer.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_text(&self.words)
    }
}

fn set<const WORDS: usize>(words: &[AtomicU64; WORDS], text: &str) {
    let mut chunks = [[0_u8; 8]; WORDS];
    let length = text.floor_char_boundary(8 * WORDS);
    chunks.as_flattened_mut()[..length].copy_from_slice(&text.as_bytes()[..length]);
    for (word, chunk) in words.iter().zip(chunks) {
        word.store(u64::from_le_bytes(chunk), Relaxed);
    }
}

fn to_text(words: &[AtomicU64]) -> String {
    let bytes: Vec<u8> = words
        .iter()
        .flat_map(|word| word.load(Relaxed).to_le_bytes())
        .collect();
    let length = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..length.unwrap_or(bytes.len())]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::sys::shared_memory::SharedMapping;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let text = SharedMapping::<ShortText>::create().unwrap();
        text.set(&"é".repeat(40));
        assert_eq!(text.to_text(), "é".repeat(32));
        text.set(&format!("a{}", "é".repeat(40)));
        assert_eq!(text.to_text(), format!("a{}", "é".repeat(31)));
        text.set("short");
        assert_eq!(text.to_text(), "short");
    }

    #[test]
    fn a_gauge_stays_at_zero() {
        let gauge = SharedMapping::<Gauge>::create().unwrap();
        gauge.decrement();
        assert_eq!(gauge.value(), 0);
        gauge.increment();
        gauge.increment();
        gauge.decrement();
        assert_eq!(gauge.value(), 1);
    }
}
