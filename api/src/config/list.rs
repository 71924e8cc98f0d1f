//! Lists that take no more memory than they have items: a snapshot lives long and holds many thousands of short ones,
//! for each of which a growing `Vec` would set room for four items aside.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

struct List<T>(PhantomData<T>);

/// For `deserialize_with`.
pub(super) fn exact<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    from.deserialize_seq(List(PhantomData))
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let Some(first) = items.next_element()? else { return Ok(Vec::new()) };
        let mut list = vec![first];
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        list.shrink_to_fit();
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_room_for_its_items_and_no_more() {
        for count in [0, 1, 2, 3, 5, 100] {
            let text = serde_json::to_string(&vec![7; count]).unwrap();
            let list: Vec<u32> = exact(&mut serde_json::Deserializer::from_str(&text)).unwrap();
            assert_eq!((list.len(), list.capacity()), (count, count));
        }
    }
}
