//! One JSON shape a type. serde's derive also takes an array for a struct, its members in order, and an object for a
//! variant without content; what two readers could read differently is refused here.
//!
//! The types derive with `#[serde(remote = "Self")]`, which leaves the traits to these macros.

/// Reads structs from JSON objects only.
macro_rules! object_only {
    ($($type:ident),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members;

                impl<'de> Visitor<'de> for Members {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<$type, A::Error> {
                        $type::deserialize(MapAccessDeserializer::new(members))
                    }
                }

                deserializer.deserialize_map(Members)
            }
        }
    )*};
}

/// Reads variants without content from JSON strings only.
macro_rules! string_only {
    ($($type:ident),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                Self::deserialize(StrDeserializer::new(&text))
            }
        }
    )*};
}

pub(crate) use {object_only, string_only};
