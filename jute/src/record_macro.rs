//! `record!`: fields in wire order give the struct, its [`Encode`](crate::Encode) and its
//! [`Decode`](crate::Decode).

macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident<$life:lifetime> {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $name<$life> {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl<$life> $crate::Decode<$life> for $name<$life> {
            fn decode(reader: &mut $crate::Reader<$life>) -> Result<Self, $crate::DecodeError> {
                Ok(Self { $($field: $crate::Decode::decode(reader)?,)* })
            }
        }

        impl $crate::Encode for $name<'_> {
            fn encode(&self, out: &mut impl bytes::BufMut) {
                $($crate::Encode::encode(&self.$field, out);)*
            }

            fn encoded_len(&self) -> usize {
                0 $(+ $crate::Encode::encoded_len(&self.$field))*
            }
        }
    };
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::Decode<'_> for $name {
            fn decode(reader: &mut $crate::Reader<'_>) -> Result<Self, $crate::DecodeError> {
                Ok(Self { $($field: $crate::Decode::decode(reader)?,)* })
            }
        }

        impl $crate::Encode for $name {
            fn encode(&self, out: &mut impl bytes::BufMut) {
                $($crate::Encode::encode(&self.$field, out);)*
            }

            fn encoded_len(&self) -> usize {
                0 $(+ $crate::Encode::encoded_len(&self.$field))*
            }
        }
    };
}

pub(crate) use record;
