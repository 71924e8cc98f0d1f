//! Addresses as text on the stack: each request tells several, and the formatter costs more than the rest of a span.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

/// The longest: an IPv6 address with an IPv4 address in it, in brackets, and a port.
const TEXT_MAX_BYTES: usize = 54;

/// An address and a port: `10.0.0.1:80`, `[::1]:80`.
#[derive(Debug, Clone, Copy)]
pub struct AddressText {
    text: [u8; TEXT_MAX_BYTES],
    ip: (u8, u8),
    end: u8,
}

impl AddressText {
    /// The text of an address; IPv4 within IPv6 is told as IPv4.
    pub fn new(address: SocketAddr) -> Self {
        let mut text = Self { text: [0; TEXT_MAX_BYTES], ip: (0, 0), end: 0 };
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => {
                for (index, octet) in ip.octets().into_iter().enumerate() {
                    if index > 0 {
                        text.push(b'.');
                    }
                    text.push_number(u16::from(octet));
                }
                text.ip = (0, text.end);
            }
            IpAddr::V6(ip) => {
                text.push(b'[');
                let mut rest = &mut text.text[1..];
                let room = rest.len();
                // There is room for every address.
                write!(rest, "{ip}").ok();
                text.end += (room - rest.len()) as u8;
                text.ip = (1, text.end);
                text.push(b']');
            }
        }
        text.push(b':');
        text.push_number(address.port());
        text
    }

    /// The address alone, without brackets.
    pub fn ip(&self) -> &[u8] {
        self.part(self.ip.0, self.ip.1)
    }

    /// The same.
    pub fn ip_str(&self) -> &str {
        // Made of digits, letters and separators.
        std::str::from_utf8(self.ip()).unwrap_or_default()
    }

    /// The address and the port.
    pub fn whole(&self) -> &[u8] {
        self.part(0, self.end)
    }

    fn part(&self, start: u8, end: u8) -> &[u8] {
        &self.text[usize::from(start)..usize::from(end)]
    }

    fn push(&mut self, byte: u8) {
        self.text[usize::from(self.end)] = byte;
        self.end += 1;
    }

    fn push_number(&mut self, number: u16) {
        let digits = [number / 10_000, number / 1_000, number / 100, number / 10, number];
        let first = digits.iter().position(|digit| *digit > 0).unwrap_or(digits.len() - 1);
        for digit in &digits[first..] {
            self.push(b'0' + (digit % 10) as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn addresses_are_those_of_the_formatter(address: SocketAddr) {
            // A scope has no meaning elsewhere.
            let plain = SocketAddr::new(address.ip().to_canonical(), address.port());
            let text = AddressText::new(address);
            let expected = [plain.to_string(), plain.ip().to_string()].map(String::into_bytes);
            prop_assert_eq!([text.whole(), text.ip()], [&expected[0], &expected[1]]);
        }
    }
}
