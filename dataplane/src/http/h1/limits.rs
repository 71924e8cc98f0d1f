//! What a message may cost, each bound with its name. The other rooms set limits on time; these are on bytes and counts.

/// A head: request or status line, fields and the empty line that ends them. A longer one is answered with 431.
pub const HEAD_MAX_BYTES: usize = 64 * 1024;
/// A request target as it was sent. A longer one is answered with 414.
pub const TARGET_MAX_BYTES: usize = 8 * 1024;
/// A method. RFC 9110 section 9.1 answers a longer one with 501.
pub const METHOD_MAX_BYTES: usize = 32;
/// Fields of a head, and of a trailer section. More are answered with 431.
pub const FIELDS_MAX: usize = 100;
/// Options in all `Connection` fields of a head, empty ones included. Each is compared with each field.
pub const CONNECTION_OPTIONS_MAX: usize = 32;
/// Line ends before a request line, which RFC 9112 section 2.2 asks servers to skip.
pub const LEADING_CRLF_MAX: usize = 4;
/// Interim (1xx) responses to one request.
pub const INTERIM_RESPONSES_MAX: usize = 16;

/// The line in front of a chunk: size, extensions and line end.
pub const CHUNK_LINE_MAX_BYTES: usize = 256;
/// Hexadecimal digits of a chunk size: the largest one is 2^60 - 1, so that sums of sizes cannot overflow.
pub const CHUNK_SIZE_DIGITS_MAX: usize = 15;
/// Bytes of chunk lines beyond what the data justifies, see [`CHUNK_LINE_ALLOWANCE_BYTES`]. Bounds extensions over a
/// whole body, so that nobody makes us read much in order to forward little.
pub const CHUNK_OVERHEAD_MAX_BYTES: usize = 16 * 1024;
/// What a chunk line may have without counting as overhead, in addition to one byte for each byte of data.
pub const CHUNK_LINE_ALLOWANCE_BYTES: usize = 16;
/// A trailer section with the empty line that ends it.
pub const TRAILERS_MAX_BYTES: usize = 8 * 1024;
