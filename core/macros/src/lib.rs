//! Attributes that turn functions into operations and types into payloads. Knows syntax, no protocol.
//!
//! Each attribute is here once for every crate that a user may depend on, since what it expands to
//! has to name that crate; the crates export theirs under the plain names `send`, `recv` and `payload`.
#![forbid(unsafe_code)]

use proc_macro::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Error, Expr, Ident, ItemFn, Lit, LitStr, Meta, Path, Token, parse_macro_input,
};

macro_rules! attributes {
    ($krate:literal: $send:ident $recv:ident $payload:ident) => {
        #[doc = concat!("`", $krate, "::send`")]
        #[proc_macro_attribute]
        pub fn $send(arguments: TokenStream, item: TokenStream) -> TokenStream {
            let Send { name, reply } = parse_macro_input!(arguments);
            let reply = match reply {
                Some(reply) => quote!(::core::option::Option::Some(#reply)),
                None => quote!(::core::option::Option::None),
            };
            operation(item, $krate, |handler| quote!(send(#name, #reply, #handler)))
        }

        #[doc = concat!("`", $krate, "::recv`")]
        #[proc_macro_attribute]
        pub fn $recv(arguments: TokenStream, item: TokenStream) -> TokenStream {
            let name = parse_macro_input!(arguments as LitStr);
            operation(item, $krate, |handler| quote!(recv_with(#name, #handler)))
        }

        #[doc = concat!("`", $krate, "::payload`")]
        #[proc_macro_attribute]
        pub fn $payload(arguments: TokenStream, item: TokenStream) -> TokenStream {
            payload(arguments, item, $krate)
        }
    };
}

attributes!("fastws_core": send_core recv_core payload_core);
attributes!("fastws_smol": send_smol recv_smol payload_smol);
attributes!("fastws_tokio": send_tokio recv_tokio payload_tokio);

/// `"subscribe"`, or `"subscribe", reply = "subscribe.response"`.
struct Send {
    name: LitStr,
    reply: Option<LitStr>,
}

impl Parse for Send {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse().map_err(|error| Error::new(error.span(), USAGE))?;
        let mut reply = None;
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let key: Ident = input.parse().map_err(|error| Error::new(error.span(), USAGE))?;
            if key != "reply" {
                return Err(Error::new(key.span(), USAGE));
            }
            input.parse::<Token![=]>()?;
            reply = Some(input.parse()?);
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(Self { name, reply })
    }
}

const USAGE: &str =
    r#"write #[send("subscribe")] or #[send("subscribe", reply = "subscribe.response")]"#;

/// Turns a function into one that makes a router of it, and keeps the former as `name::call`.
fn operation(
    item: TokenStream,
    krate: &str,
    declare: impl Fn(&proc_macro2::TokenStream) -> proc_macro2::TokenStream,
) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    if !function.sig.generics.params.is_empty() {
        let sentence = "an operation's function has no generic parameters";
        return Error::new_spanned(&function.sig.generics, sentence).into_compile_error().into();
    }
    let (root, name, visibility) = (root(krate), &function.sig.ident, &function.vis);
    let declaration = declare(&quote!(#name::call));
    let docs = function.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let doc = documentation(&function.attrs);
    let mut call = function.clone();
    call.sig.ident = Ident::new("call", name.span());
    let docs = quote!(#(#docs)*);
    // A type for `name::call`, a function for `include(name)`: a unit struct would be both, and would
    // turn a variable of its name into a pattern.
    quote! {
        #docs
        #[allow(non_camel_case_types, dead_code, reason = "it is a name for `call`")]
        #visibility struct #name {}

        impl #name {
            #call
        }

        #docs
        #visibility fn #name() -> #root::expanded::Router {
            #root::expanded::Router::new().#declaration.doc(#doc)
        }
    }
    .into()
}

/// The usual derives, by way of the crate that the user depends on.
fn payload(arguments: TokenStream, item: TokenStream, krate: &str) -> TokenStream {
    if !arguments.is_empty() {
        let sentence = "#[payload] takes no arguments";
        let arguments = proc_macro2::TokenStream::from(arguments);
        return Error::new_spanned(arguments, sentence).into_compile_error().into();
    }
    let item = proc_macro2::TokenStream::from(item);
    let root = root(krate);
    let serde = format!("::{krate}::expanded::serde");
    let schemars = format!("::{krate}::expanded::schemars");
    quote! {
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
    .into()
}

fn root(krate: &str) -> Path {
    syn::parse_str(&format!("::{krate}")).expect("a crate's name is a path")
}

/// The text of a doc comment, without the space behind its slashes.
fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(line) => Some(line.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> =
        lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned()).collect();
    lines.join("\n")
}
