//! The payload file: random bytes made once, from which all downloads of a loop are sent without a copy. One section for each
//! layout; within a section the payload repeats.

use std::fs::{File, OpenOptions, remove_file};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use protocol::connection::FillerLayout;
use protocol::websocket::stamp_filler_cycle;

/// Repeating after this many bytes is beyond the window of any compressor on the way but the slowest, and small enough to
/// stay in the processor's outer cache.
const RAW_BYTES: usize = 4 * 1024 * 1024;
const FRAMES: u64 = 64;
/// The part that TLS is sealed from repeats much sooner, for nobody sees it repeat, and stays in the inner caches.
const RAW_BLOCK_BYTES: u64 = 64 * 1024;
/// Any position of a block is followed by so many bytes of it.
const BLOCK_RUN_BYTES: u64 = 128 * 1024;

/// Random bytes in a file, laid out for sending.
#[derive(Debug)]
pub struct Payload {
    file: File,
    /// For each layout one cycle, and its beginning once more; made when TLS first asks for it.
    blocks: OnceLock<io::Result<[Vec<u8>; 3]>>,
}

/// Where a layout's bytes are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Section {
    start: u64,
    length: u64,
}

impl Payload {
    /// Makes the file (unlinked at once: it ends with its last user) and fills it.
    ///
    /// # Errors
    /// When no temporary folder takes 12 MiB, or the system has no randomness.
    pub fn create() -> io::Result<Self> {
        Self::hold(&contents()?)
    }

    /// Makes `count` of them, alike: the randomness is what takes time.
    ///
    /// # Errors
    /// As [`Payload::create`].
    pub fn create_alike(count: usize) -> io::Result<Vec<Self>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let contents = contents()?;
        (0..count).map(|_| Self::hold(&contents)).collect()
    }

    fn hold(contents: &[u8]) -> io::Result<Self> {
        let mut file = unlinked_file()?;
        file.write_all(contents)?;
        Ok(Self {
            file,
            blocks: OnceLock::new(),
        })
    }

    /// The file, for `sendfile`.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// 128 KiB or more of `layout`'s endless payload from position `offset` on, in memory.
    ///
    /// # Errors
    /// When the file could not be read; `Unsupported` for HTTP/2's frames.
    pub fn bytes(&self, layout: FillerLayout, offset: u64) -> io::Result<&[u8]> {
        let blocks = self.blocks.get_or_init(|| self.read_blocks());
        let [raw, frames, masked_frames] = blocks
            .as_ref()
            .map_err(|error| io::Error::from(error.kind()))?;
        let block = match layout {
            FillerLayout::Raw => raw,
            FillerLayout::WebSocketFrames => frames,
            FillerLayout::MaskedWebSocketFrames => masked_frames,
            // Their headers name a stream: no block can be shared.
            FillerLayout::Http2Frames { .. } => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(&block[(offset % block_cycle(layout)) as usize..])
    }

    fn read_blocks(&self) -> io::Result<[Vec<u8>; 3]> {
        let read = |layout| -> io::Result<Vec<u8>> {
            let cycle = block_cycle(layout) as usize;
            let mut block = vec![0; cycle + BLOCK_RUN_BYTES as usize];
            self.file
                .read_exact_at(&mut block[..cycle], section(layout).start)?;
            for position in cycle..block.len() {
                block[position] = block[position - cycle];
            }
            Ok(block)
        };
        Ok([
            read(FillerLayout::Raw)?,
            read(FillerLayout::WebSocketFrames)?,
            read(FillerLayout::MaskedWebSocketFrames)?,
        ])
    }

    /// The part of the file that holds position `offset` of `layout`'s endless payload: its place, and how many bytes
    /// follow there before the payload repeats.
    #[must_use]
    pub fn locate(layout: FillerLayout, offset: u64) -> (u64, u64) {
        let section = section(layout);
        let within = offset % section.length;
        (section.start + within, section.length - within)
    }
}

/// The sections, one after the other.
fn contents() -> io::Result<Vec<u8>> {
    let layouts = [
        FillerLayout::Raw,
        FillerLayout::WebSocketFrames,
        FillerLayout::MaskedWebSocketFrames,
    ];
    let length: u64 = layouts.iter().map(|&layout| section(layout).length).sum();
    let mut contents = vec![0; length as usize];
    getrandom::fill(&mut contents)?;
    for layout in layouts {
        let Section { start, length } = section(layout);
        let (start, length) = (start as usize, length as usize);
        stamp_filler_cycle(layout, &mut contents[start..start + length]);
    }
    Ok(contents)
}

const fn block_cycle(layout: FillerLayout) -> u64 {
    match layout {
        FillerLayout::Raw | FillerLayout::Http2Frames { .. } => RAW_BLOCK_BYTES,
        FillerLayout::WebSocketFrames | FillerLayout::MaskedWebSocketFrames => {
            layout.stride_bytes()
        }
    }
}

fn section(layout: FillerLayout) -> Section {
    let raw = RAW_BYTES as u64;
    let frames = FRAMES * FillerLayout::WebSocketFrames.stride_bytes();
    let masked_frames = FRAMES * FillerLayout::MaskedWebSocketFrames.stride_bytes();
    match layout {
        // No file can hold HTTP/2's frames, which name their stream; their payload is raw.
        FillerLayout::Raw | FillerLayout::Http2Frames { .. } => Section {
            start: 0,
            length: raw,
        },
        FillerLayout::WebSocketFrames => Section {
            start: raw,
            length: frames,
        },
        FillerLayout::MaskedWebSocketFrames => Section {
            start: raw + frames,
            length: masked_frames,
        },
    }
}

/// A file that no name leads to. Where it is on a disk its page cache has large folios (64 downloads cost 0.077 CPU-s/GB from
/// there and 0.107 from shared memory) and can be dropped, so `/var/tmp` goes before `/tmp`, which many a system has in memory;
/// `TMPDIR`, where it is set, before both.
fn unlinked_file() -> io::Result<File> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)?;
    let name = format!("bufferbloatd-payload-{:016x}", u64::from_le_bytes(random));
    let asked = std::env::var_os("TMPDIR").map(PathBuf::from);
    let others = ["/var/tmp", "/tmp", "/dev/shm"].map(PathBuf::from);
    let folders = asked.into_iter().chain(others);
    let mut fault = io::Error::from(io::ErrorKind::NotFound);
    for folder in folders {
        let path = folder.join(&name);
        match OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
        {
            Ok(file) => {
                remove_file(&path)?;
                return Ok(file);
            }
            Err(error) => fault = error,
        }
    }
    Err(io::Error::new(
        fault.kind(),
        format!("no temporary folder can hold the payload file: {fault}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_wraps_within_its_section() {
        let (start, left) = Payload::locate(FillerLayout::Raw, RAW_BYTES as u64 + 5);
        assert_eq!((start, left), (5, RAW_BYTES as u64 - 5));
        let frames = section(FillerLayout::WebSocketFrames);
        assert_eq!(
            Payload::locate(FillerLayout::WebSocketFrames, frames.length),
            (frames.start, frames.length)
        );
    }

    #[test]
    fn a_block_goes_on_where_its_cycle_ends() {
        let payload = Payload::create().expect("a temporary folder");
        let layout = FillerLayout::WebSocketFrames;
        let stride = layout.stride_bytes();
        for offset in [0, 1, stride - 1, stride, 70 * stride + 3] {
            let bytes = payload.bytes(layout, offset).expect("readable");
            assert!(bytes.len() as u64 >= BLOCK_RUN_BYTES);
            let to_header = ((stride - offset % stride) % stride) as usize;
            assert_eq!(bytes[to_header..to_header + 2], [0x82, 127], "{offset}");
        }
    }

    #[test]
    fn the_file_holds_every_section() {
        let payload = Payload::create().expect("a temporary folder");
        let last = section(FillerLayout::MaskedWebSocketFrames);
        assert_eq!(
            payload.file().metadata().expect("open").len(),
            last.start + last.length
        );
    }
}
