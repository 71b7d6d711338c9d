//! Functions as operations, and what is wrong with a function that cannot be one. Knows no payload's type.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, Ident, ItemFn, Lit, LitStr, Meta,
    PathArguments, ReturnType, Token, Type,
};

/// What an attribute says about the function under it.
pub(crate) enum Role {
    /// `"subscribe"`, or `"subscribe", reply = "subscribe.response"`.
    Send { name: LitStr, reply: Option<LitStr> },
    /// `"alert"`.
    Recv { name: LitStr },
}

impl Role {
    pub(crate) fn send(input: ParseStream<'_>) -> syn::Result<Self> {
        let arguments = |input: ParseStream<'_>| -> syn::Result<Self> {
            let (name, mut reply) = (input.parse()?, None);
            if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
                let key: Ident = input.parse()?;
                if key != "reply" {
                    return Err(Error::new(key.span(), SEND));
                }
                input.parse::<Token![=]>()?;
                reply = Some(input.parse()?);
                input.parse::<Option<Token![,]>>()?;
            }
            end(input)?;
            Ok(Self::Send { name, reply })
        };
        arguments(input).map_err(|error| Error::new(error.span(), SEND))
    }

    pub(crate) fn recv(input: ParseStream<'_>) -> syn::Result<Self> {
        let arguments = |input: ParseStream<'_>| -> syn::Result<Self> {
            let name = input.parse()?;
            input.parse::<Option<Token![,]>>()?;
            end(input)?;
            Ok(Self::Recv { name })
        };
        arguments(input).map_err(|error| Error::new(error.span(), RECV))
    }
}

fn end(input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() { Ok(()) } else { Err(input.error("")) }
}

/// Turns a function into one that makes a router of it, and keeps the former as `name::call`.
pub(crate) fn operation(role: syn::Result<Role>, item: TokenStream, krate: &str) -> TokenStream {
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        let error = Error::new_spanned(&item, FUNCTION).into_compile_error();
        return quote!(#error #item);
    };
    let (root, name, visibility) = (root(krate), &function.sig.ident, &function.vis);
    let role = match role.and_then(|role| check(&role, &function).map(|()| role)) {
        Ok(role) => role,
        Err(error) => {
            // Whoever includes it need not hear of a mistake in it.
            let error = error.into_compile_error();
            return quote! {
                #error
                #[allow(dead_code, reason = "it stands for what is wrong")]
                #visibility fn #name() -> #root::expanded::Router {
                    #root::expanded::Router::new()
                }
            };
        }
    };
    let questions = questions(&role, &function).into_iter().map(|(question, about)| {
        let question = Ident::new(question, Span::call_site());
        let kind = ["reply", "nothing"].iter().any(|own| question == own).then(|| quote!(, _));
        quote_spanned!(about.span()=> #root::expanded::#question::<#about #kind>();)
    });
    let declaration = match &role {
        Role::Send { name: own, reply: Some(reply) } => {
            quote!(send(#own, ::core::option::Option::Some(#reply), #name::call))
        }
        Role::Send { name: own, reply: None } => {
            quote!(send(#own, ::core::option::Option::None, #name::call))
        }
        Role::Recv { name: own } => {
            let update = arguments(&function).next();
            quote!(recv_with::<#update, _, _, _>(#own, #name::call))
        }
    };
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
            #(#questions)*
            #root::expanded::Router::new().#declaration.doc(#doc)
        }
    }
}

/// What syntax alone tells.
fn check(role: &Role, function: &ItemFn) -> syn::Result<()> {
    let signature = &function.sig;
    if let Some(receiver) = signature.receiver() {
        return Err(Error::new_spanned(receiver, METHOD));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(&signature.generics, GENERIC));
    }
    for (at, argument) in arguments(function).enumerate() {
        if let Type::ImplTrait(generic) = argument {
            return Err(Error::new_spanned(generic, GENERIC));
        }
        if let Some(borrow) = borrow(argument) {
            return Err(Error::new(borrow, BORROW));
        }
        if at == 6 && matches!(role, Role::Send { .. }) {
            return Err(Error::new_spanned(argument, MANY));
        }
    }
    let Role::Recv { .. } = role else { return Ok(()) };
    if let Some(word) = signature.asyncness {
        return Err(Error::new(word.span(), ASYNC));
    }
    if let Some(extractor) = arguments(function).find(|argument| payload(argument).is_some()) {
        return Err(Error::new_spanned(extractor, BARE));
    }
    match arguments(function).nth(1) {
        Some(second) => Err(Error::new_spanned(second, ONE)),
        None if signature.inputs.is_empty() => Err(Error::new_spanned(&signature.ident, ONE)),
        None => Ok(()),
    }
}

/// What the compiler has to be asked, each about one type: functions of `expanded`.
fn questions<'f>(role: &Role, function: &'f ItemFn) -> Vec<(&'static str, &'f Type)> {
    let mut questions = Vec::new();
    if let Role::Send { .. } = role {
        questions.extend(arguments(function).map(|argument| match payload(argument) {
            Some(payload) => ("payload", payload),
            None => ("argument", argument),
        }));
    }
    let ReturnType::Type(_, result) = &function.sig.output else { return questions };
    if let Type::ImplTrait(_) = **result {
        return questions;
    }
    let result = match inner(result, "Result")[..] {
        [value, error] => {
            questions.push(("failure", error));
            value
        }
        _ => result,
    };
    let is_silent = matches!(role, Role::Send { reply: None, .. });
    questions.push((if is_silent { "nothing" } else { "reply" }, result));
    questions
}

fn arguments(function: &ItemFn) -> impl Iterator<Item = &Type> {
    function.sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => Some(&*argument.ty),
        FnArg::Receiver(_) => None,
    })
}

/// The `T` of a `Payload<T>`.
fn payload(argument: &Type) -> Option<&Type> {
    inner(argument, "Payload").first().copied()
}

/// The types in angle brackets behind a name.
fn inner<'t>(outer: &'t Type, name: &str) -> Vec<&'t Type> {
    let Type::Path(outer) = outer else { return Vec::new() };
    let Some(last) = outer.path.segments.last().filter(|last| last.ident == name) else {
        return Vec::new();
    };
    let PathArguments::AngleBracketed(inner) = &last.arguments else { return Vec::new() };
    let types = inner.args.iter().map(|argument| match argument {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    });
    types.collect::<Option<_>>().unwrap_or_default()
}

/// Where a type borrows, outside of parentheses: a `State<Box<dyn Fn(&str)>>` is owned.
fn borrow(owned: &Type) -> Option<Span> {
    let mut tokens = owned.to_token_stream().into_iter().peekable();
    while let Some(token) = tokens.next() {
        let TokenTree::Punct(mark) = token else { continue };
        let is_reference = mark.as_char() == '&';
        if is_reference {
            tokens.next_if(|next| matches!(next, TokenTree::Punct(next) if next.as_char() == '\''));
        } else if mark.as_char() != '\'' {
            continue;
        }
        let lifetime = tokens.next_if(|next| matches!(next, TokenTree::Ident(_)));
        if lifetime.is_none_or(|lifetime| lifetime.to_string() != "static") {
            return Some(mark.span());
        }
    }
    None
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

const SEND: &str =
    r#"write #[send("subscribe")] or #[send("subscribe", reply = "subscribe.response")]"#;
const RECV: &str =
    r#"write #[recv("alert")], above a function that takes a payload and returns it"#;
const FUNCTION: &str = "#[send] and #[recv] stand on a function";
const METHOD: &str = "an operation is a function outside of an `impl`: \
    it takes what it shares with others as `State<S>`";
const GENERIC: &str =
    "an operation has no generic parameters, also no lifetimes: name one type for each";
const BORROW: &str =
    "a handler owns its arguments: write them without `&` and lifetimes, and `String` for `str`";
const MANY: &str =
    "a handler takes six arguments at most: put what it shares with others into one `State<S>`";
const ASYNC: &str = "a `recv` handler runs where its update is published: remove `async`";
const BARE: &str = "a `recv` handler takes its update itself: write `T` for `Payload<T>`";
const ONE: &str = "a `recv` handler takes one argument, the update that is published";

/// The crate that the user depends on.
pub(crate) fn root(krate: &str) -> syn::Path {
    syn::parse_str(&format!("::{krate}")).expect("a crate's name is a path")
}
