//! What a collector answers: `ExportTraceServiceResponse` of
//! opentelemetry/proto/collector/trace/v1/trace_service.proto. Pure.

/// `ExportTraceServiceResponse.partial_success`.
const PARTIAL_SUCCESS: u64 = 1;
/// `ExportTracePartialSuccess.rejected_spans`.
const REJECTED_SPANS: u64 = 1;
/// `ExportTracePartialSuccess.error_message`.
const ERROR_MESSAGE: u64 = 2;

/// What a collector that took a batch would not take of it. Spans may be none: then it only has something to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) spans: u64,
    pub(super) message: String,
}

/// The content of a field.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a kind that does not occur here.
    Fixed,
}

impl Rejected {
    /// Reads an answer; none: everything was taken, or the answer is no such message, which says nothing.
    pub(super) fn read(answer: &[u8]) -> Option<Self> {
        let partial = fields(answer).find_map(|field| match field {
            (PARTIAL_SUCCESS, Value::Bytes(message)) => Some(message),
            _ => None,
        });
        let mut rejected = Self::default();
        for field in fields(partial?) {
            match field {
                (REJECTED_SPANS, Value::Number(spans)) => rejected.spans = spans,
                (ERROR_MESSAGE, Value::Bytes(text)) => {
                    rejected.message = String::from_utf8_lossy(text).into();
                }
                _ => {}
            }
        }
        (rejected != Self::default()).then_some(rejected)
    }
}

/// The fields of a message, up to the first that is none.
fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, Value<'_>)> {
    std::iter::from_fn(move || {
        let key = take_varint(&mut message)?;
        let value = match key & 7 {
            0 => Value::Number(take_varint(&mut message)?),
            1 => message.split_off(..8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                Value::Bytes(message.split_off(..length)?)
            }
            5 => message.split_off(..4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        Some((key >> 3, value))
    })
}

/// A number of at most ten groups of seven bits, the lowest first.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    #[test]
    fn an_answer_tells_what_was_not_taken() {
        let rejected = |spans, message: &str| {
            let partial = ExportTracePartialSuccess { rejected_spans: spans, error_message: message.into() };
            Rejected::read(&ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec())
        };
        assert_eq!(rejected(300, "too old"), Some(Rejected { spans: 300, message: "too old".into() }));
        assert_eq!(rejected(0, "slow down"), Some(Rejected { spans: 0, message: "slow down".into() }));
        assert_eq!(rejected(0, ""), None);
        assert_eq!(Rejected::read(&[]), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_back_it_is_read_to_an_end(answer: Vec<u8>) {
            Rejected::read(&answer);
        }
    }
}
