//! The place of a request in a trace: W3C Trace Context in, a `traceparent` for every attempt out, and the decision
//! whether the trace is sampled. Pure: the dice are handed in.

#[cfg(test)]
mod tests;

use std::num::{NonZeroU64, NonZeroU128};

/// A trace. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(NonZeroU128);

/// A span. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(NonZeroU64);

/// A `traceparent` field (W3C Trace Context, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: TraceId,
    /// The span that sent the request.
    pub span: SpanId,
    /// The bits that this proxy understands: [`SAMPLED`] and [`RANDOM`].
    pub flags: u8,
}

/// A request within its trace.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    /// The trace, which every attempt goes on with.
    pub id: TraceId,
    /// The request's own span.
    pub span: SpanId,
    /// The span that sent the request to us; none: the trace begins here.
    pub parent: Option<SpanId>,
    /// What attempts send on.
    pub flags: u8,
}

/// What an attempt tells the backend about the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// The attempt's own span.
    pub parent: TraceParent,
    /// The trace begins with this request: a `tracestate` that it came with belongs to nothing (section 3.3).
    pub begins: bool,
}

/// Who decides whether a trace is sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// A request that brings a decision with it keeps to that.
    pub parent_based: bool,
    /// The share of the other traces, as a threshold for [`TraceId::position`].
    threshold: u64,
}

/// The caller may have recorded the trace.
pub const SAMPLED: u8 = 0x01;
/// The trace's number was drawn at random (level 2 of Trace Context).
pub const RANDOM: u8 = 0x02;

/// The length of a `traceparent` of version 00.
const TEXT_BYTES: usize = 55;
/// Where the parts of a `traceparent` end, each followed by a `-` but the last.
const TRACE_AT: usize = 3;
const SPAN_AT: usize = 36;
const FLAGS_AT: usize = 53;
/// Positions of traces: 63 bits, as the SDKs of OpenTelemetry take them.
const POSITION_BITS: u32 = 63;

impl TraceId {
    /// Both halves, the high one first.
    pub fn halves(self) -> [u64; 2] {
        let id = self.0.get();
        [(id >> 64) as u64, id as u64]
    }

    /// The trace of two halves; none: they are zero.
    pub fn from_halves([high, low]: [u64; 2]) -> Option<Self> {
        NonZeroU128::new(u128::from(high) << 64 | u128::from(low)).map(Self)
    }

    /// Big-endian, as on the wire.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }

    /// 32 hexadecimal digits.
    pub fn to_hex(self) -> [u8; 32] {
        hex(self.to_bytes())
    }

    /// Services that sample by share should come to the same decision about a trace: as the SDKs do, this one keeps those
    /// whose lower half is small, without its last bit.
    fn position(self) -> u64 {
        self.halves()[1] >> 1
    }
}

impl SpanId {
    /// The span of this number; none: it is zero.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// A span for this throw of the dice.
    pub fn of_dice(dice: u64) -> Self {
        Self(NonZeroU64::new(dice).unwrap_or(NonZeroU64::MIN))
    }

    /// Big-endian, as on the wire.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }

    /// 16 hexadecimal digits.
    fn to_hex(self) -> [u8; 16] {
        hex(self.to_bytes())
    }
}

impl TraceParent {
    /// Reads the field; none: it is not valid, and the trace begins anew (section 4.3). Versions after 00 may go on
    /// after the parts that this one knows; version ff never is one.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let version = hex_byte(text.get(..2)?)?;
        let known = text.get(..TEXT_BYTES)?;
        let ends = match version {
            0 => text.len() == TEXT_BYTES,
            0xff => false,
            _ => text.get(TEXT_BYTES).is_none_or(|next| *next == b'-'),
        };
        let parted = [TRACE_AT - 1, SPAN_AT - 1, FLAGS_AT - 1].iter().all(|at| known[*at] == b'-');
        if !ends || !parted {
            return None;
        }
        let high = number(&known[TRACE_AT..TRACE_AT + 16])?;
        let low = number(&known[TRACE_AT + 16..SPAN_AT - 1])?;
        Some(Self {
            trace: TraceId::from_halves([high, low])?,
            span: SpanId::new(number(&known[SPAN_AT..FLAGS_AT - 1])?)?,
            flags: hex_byte(&known[FLAGS_AT..])? & (SAMPLED | RANDOM),
        })
    }

    /// The field, in version 00.
    pub fn to_text(self) -> [u8; TEXT_BYTES] {
        let mut text = [b'-'; TEXT_BYTES];
        text[..2].copy_from_slice(b"00");
        text[TRACE_AT..SPAN_AT - 1].copy_from_slice(&self.trace.to_hex());
        text[SPAN_AT..FLAGS_AT - 1].copy_from_slice(&self.span.to_hex());
        text[FLAGS_AT..].copy_from_slice(&HEX[usize::from(self.flags)]);
        text
    }
}

impl Trace {
    /// The trace of a request that came with this parent, if with any.
    pub fn begin(parent: Option<TraceParent>, sampler: Sampler, mut dice: impl FnMut() -> u64) -> Self {
        let span = SpanId::of_dice(dice());
        let drawn = [dice(), dice()];
        let (id, random) = match parent {
            Some(parent) => (parent.trace, parent.flags & RANDOM),
            None => (TraceId::from_halves(drawn).unwrap_or(TraceId(NonZeroU128::MIN)), RANDOM),
        };
        let sampled = if sampler.samples(id, parent) { SAMPLED } else { 0 };
        Self { id, span, parent: parent.map(|parent| parent.span), flags: sampled | random }
    }

    /// Whether it was decided at its beginning that the trace is kept.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// What an attempt sends that is this span.
    pub fn outgoing(&self, span: SpanId) -> Outgoing {
        let parent = TraceParent { trace: self.id, span, flags: self.flags };
        Outgoing { parent, begins: self.parent.is_none() }
    }
}

impl Sampler {
    /// A sampler of a share of the traces, 0 to 1; what lies outside is cut off.
    pub fn new(parent_based: bool, share: f64) -> Self {
        let all = 1_u64 << POSITION_BITS;
        // A float that is too large or no number at all becomes the nearest number.
        let threshold = ((all as f64 * share) as u64).min(all);
        Self { parent_based, threshold }
    }

    fn samples(self, trace: TraceId, parent: Option<TraceParent>) -> bool {
        match parent.filter(|_| self.parent_based) {
            Some(parent) => parent.flags & SAMPLED != 0,
            None => trace.position() < self.threshold,
        }
    }
}

/// Both digits of every byte: a look-up costs less than arithmetic, and every attempt is sent 50 digits.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    pairs
};

/// Two digits for each byte.
fn hex<const BYTES: usize, const DIGITS: usize>(bytes: [u8; BYTES]) -> [u8; DIGITS] {
    const { assert!(DIGITS == 2 * BYTES) };
    let mut text = [0; DIGITS];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = HEX[usize::from(byte)];
    }
    text
}

fn hex_byte(text: &[u8]) -> Option<u8> {
    number(text).and_then(|number| u8::try_from(number).ok())
}

/// Lower case only, as section 3.2.2 demands. At most 16 digits.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number: u64, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}
