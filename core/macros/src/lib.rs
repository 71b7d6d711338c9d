//! Attributes that turn functions into operations and types into payloads. Knows syntax, no protocol.
//!
//! Each attribute is here once for every crate that a user may depend on, since what it expands to
//! has to name that crate; the crates export theirs under the plain names `send`, `recv` and `payload`.
#![forbid(unsafe_code)]

mod operation;

use crate::operation::{Role, operation, root};
use proc_macro::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::{Error, GenericParam, Item};

macro_rules! attributes {
    ($krate:literal: $send:ident $recv:ident $payload:ident) => {
        #[doc = concat!("`", $krate, "::send`")]
        #[proc_macro_attribute]
        pub fn $send(arguments: TokenStream, item: TokenStream) -> TokenStream {
            operation(Role::send.parse(arguments), item.into(), $krate).into()
        }

        #[doc = concat!("`", $krate, "::recv`")]
        #[proc_macro_attribute]
        pub fn $recv(arguments: TokenStream, item: TokenStream) -> TokenStream {
            operation(Role::recv.parse(arguments), item.into(), $krate).into()
        }

        #[doc = concat!("`", $krate, "::payload`")]
        #[proc_macro_attribute]
        pub fn $payload(arguments: TokenStream, item: TokenStream) -> TokenStream {
            payload(arguments.into(), item.into(), $krate).into()
        }
    };
}

attributes!("fastws_core": send_core recv_core payload_core);
attributes!("fastws_smol": send_smol recv_smol payload_smol);
attributes!("fastws_tokio": send_tokio recv_tokio payload_tokio);

/// The usual derives, by way of the crate that the user depends on.
fn payload(
    arguments: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
    krate: &str,
) -> proc_macro2::TokenStream {
    let generics = match syn::parse2(item.clone()) {
        Ok(Item::Struct(item)) => item.generics,
        Ok(Item::Enum(item)) => item.generics,
        _ => {
            let error = Error::new_spanned(&item, TYPE).into_compile_error();
            return quote!(#error #item);
        }
    };
    let lifetime = generics.params.iter().find(|own| matches!(own, GenericParam::Lifetime(_)));
    let mistake = match lifetime {
        _ if !arguments.is_empty() => Some(Error::new_spanned(arguments, ARGUMENTS)),
        Some(lifetime) => Some(Error::new_spanned(lifetime, BORROW)),
        None => None,
    };
    let mistake = mistake.map(Error::into_compile_error);
    let root = root(krate);
    let serde = format!("::{krate}::expanded::serde");
    let schemars = format!("::{krate}::expanded::schemars");
    // Also with a mistake: whoever uses the type need not hear of it.
    quote! {
        #mistake
        #[derive(
            ::core::clone::Clone,
            ::core::fmt::Debug,
            #root::expanded::serde::Deserialize,
            #root::expanded::serde::Serialize,
            #root::expanded::schemars::JsonSchema,
        )]
        #[serde(crate = #serde)]
        #[schemars(crate = #schemars)]
        #item
    }
}

const TYPE: &str = "#[payload] stands on a struct or an enum";
const ARGUMENTS: &str = "write #[payload], which takes no arguments";
const BORROW: &str =
    "a payload owns what it holds: remove the lifetime, and write `String` for `&str`";
