//! Finds the end of a head or trailer section as its bytes arrive, looking at each byte once.

use super::limits::FIELDS_MAX;

/// How far a section was looked through.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scan {
    seen: usize,
    line_start: usize,
    lines: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// The section's bytes, the empty line included.
    Complete(usize),
    Partial,
    /// A line ended without CR. Others read such a line differently, so nobody may see it.
    BareLf,
    /// More lines than a first line, the fields and an empty line.
    TooManyLines,
}

impl Scan {
    /// `section` must begin with all bytes of the previous call.
    pub(super) fn advance(&mut self, section: &[u8]) -> Scanned {
        while let Some(offset) = memchr::memchr(b'\n', &section[self.seen..]) {
            let lf = self.seen + offset;
            if lf == self.line_start || section[lf - 1] != b'\r' {
                return Scanned::BareLf;
            }
            if lf == self.line_start + 1 {
                return Scanned::Complete(lf + 1);
            }
            self.lines += 1;
            if self.lines > FIELDS_MAX + 1 {
                return Scanned::TooManyLines;
            }
            (self.seen, self.line_start) = (lf + 1, lf + 1);
        }
        self.seen = section.len();
        Scanned::Partial
    }

    /// Whether the first line has ended.
    pub(super) fn has_line(&self) -> bool {
        self.lines > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_is_looked_at_twice() {
        let mut scan = Scan::default();
        assert_eq!(scan.advance(b"GET / HTTP/1.1\r\nHost"), Scanned::Partial);
        // A scan that began again would stumble over the first byte.
        assert_eq!(scan.advance(b"\nET / HTTP/1.1\r\nHost: a\r\n\r\nrest"), Scanned::Complete(27));
    }

    #[test]
    fn a_section_may_be_empty() {
        assert_eq!(Scan::default().advance(b"\r\nrest"), Scanned::Complete(2));
        assert_eq!(Scan::default().advance(b"\n"), Scanned::BareLf);
        assert_eq!(Scan::default().advance(b""), Scanned::Partial);
    }
}
