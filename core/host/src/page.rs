//! The pages that show an AsyncAPI document to people. Knows where the document is, never what it says.

use fastws_core::origin;
use std::borrow::Cow;

/// A page that loads nothing from elsewhere: the operations of the document at `asyncapi_url`, and a console that
/// connects to the host which served the page.
///
/// Its Content-Security-Policy is in the page: `asyncapi_url` must be on the same host.
///
/// ```
/// use fastws_host::page::page;
/// let page = page("Bars & quotes", "/asyncapi.json");
/// assert!(page.contains("Bars &amp; quotes") && page.contains("/asyncapi.json"));
/// ```
pub fn page(title: &str, asyncapi_url: &str) -> String {
    format!(
        include_str!("page/page.html"),
        title = escaped(title),
        asyncapi = escaped(asyncapi_url),
        style = include_str!("page/page.css"),
        script = SCRIPT,
    )
}

/// AsyncAPI's React component (`@asyncapi/react-component`), which shows a document in place of the page of our
/// own. The reader's browser loads it; addresses begin with `https://`, `http://` or `/`.
///
/// ```
/// use fastws_host::page::Component;
/// use fastws_host::pages::Pages;
/// let component = Component {
///     script: "https://cdn.example.org/component.js".into(),
///     style: Some("https://cdn.example.org/component.css".into()),
/// };
/// let pages = Pages { component: Some(component), ..Pages::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Where its standalone bundle is: a classic script that defines `AsyncApiStandalone`.
    pub script: Cow<'static, str>,
    /// Where its style sheet is.
    pub style: Option<Cow<'static, str>>,
}

impl Component {
    /// A page that shows the document with the component, and loads nothing but from the hosts of the two
    /// addresses.
    ///
    /// The component compiles schemas to functions, so its page may evaluate text as a script.
    pub fn page(&self, title: &str, asyncapi_url: &str) -> String {
        let link = |url: &str| format!("<link rel=\"stylesheet\" href=\"{}\">\n", escaped(url));
        let source = |url: &str| escaped(source(url).unwrap_or_default());
        format!(
            include_str!("page/foreign.html"),
            title = escaped(title),
            asyncapi = escaped(asyncapi_url),
            script_url = escaped(&self.script),
            script_source = source(&self.script),
            style = self.style.as_deref().map(link).unwrap_or_default(),
            style_source = self.style.as_deref().map(source).unwrap_or_default(),
        )
    }

    /// The first address that a page cannot load from.
    pub(crate) fn mistake(&self) -> Option<&str> {
        let mut addresses = [Some(&self.script), self.style.as_ref()].into_iter().flatten();
        addresses.find(|address| source(address).is_none()).map(|address| &**address)
    }
}

/// The host of an address as a Content-Security-Policy names it; `None` for what is no address.
fn source(url: &str) -> Option<&str> {
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    if url.starts_with('/') && !url.starts_with("//") {
        return Some("'self'");
    }
    let host = url.find("://")? + 3;
    let end = url[host..].find('/').map_or(url.len(), |path| host + path);
    let source = &url[..end];
    (origin::is_entry(source) && !source.contains(['*', ';', ','])).then_some(source)
}

/// A text as it may stand in an element or in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// One module; each part uses only parts above it.
const SCRIPT: &str = concat!(
    include_str!("page/api.js"),
    include_str!("page/view.js"),
    include_str!("page/form.js"),
    include_str!("page/composer.js"),
    include_str!("page/connection.js"),
    include_str!("page/streams.js"),
    include_str!("page/chart.js"),
    include_str!("page/console.js"),
    include_str!("page/page.js"),
);

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "\"><script>alert('&')</script>";
    const SAFE: &str = "&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;";

    #[test]
    fn title_and_addresses_are_escaped() {
        let own = page(EVIL, EVIL);
        let component = Component { script: EVIL.into(), style: Some(EVIL.into()) };
        let foreign = component.page(EVIL, EVIL);
        for page in [&own, &foreign] {
            assert!(!page.contains(EVIL));
            assert!(page.contains(&format!("<title>{SAFE}</title>")));
            assert!(page.contains(&format!("data-asyncapi=\"{SAFE}\"")));
        }
        assert!(foreign.contains(&format!("src=\"{SAFE}\"")));
        assert!(foreign.contains(&format!("href=\"{SAFE}\"")));
    }

    #[test]
    fn a_page_of_our_own_names_no_other_host_and_ends_its_script_once() {
        let page = page("Trading", "/asyncapi.json");
        assert!(page.starts_with("<!doctype html>"));
        assert_eq!(page.matches("</script").count(), 1);
        for loads in [" src=", "@import", "url(", "import(", "innerHTML"] {
            assert!(!page.contains(loads), "{loads}");
        }
        let addresses = page.matches("://").count();
        assert_eq!(
            addresses,
            page.matches("http://www.w3.org/2000/svg").count() + 1,
            "and the socket's"
        );
    }

    #[test]
    fn a_foreign_page_loads_from_the_hosts_of_its_component_only() {
        let page = |script: &'static str, style: Option<&'static str>| {
            let component = Component { script: script.into(), style: style.map(Into::into) };
            component.page("Trading", "/asyncapi.json")
        };
        let both = page("https://a.example/b/c.js", Some("http://d.example:81/e.css"));
        assert!(both.contains("script-src 'unsafe-inline' 'unsafe-eval' https://a.example;"));
        assert!(both.contains("style-src 'unsafe-inline' http://d.example:81;"));
        assert!(both.contains("src=\"https://a.example/b/c.js\""));
        assert!(both.contains("href=\"http://d.example:81/e.css\""));
        let own = page("/component.js", None);
        assert!(own.contains("script-src 'unsafe-inline' 'unsafe-eval' &#39;self&#39;;"));
        assert!(own.contains("style-src 'unsafe-inline' ;") && !own.contains("<link"));
    }

    #[test]
    fn an_address_is_of_a_host_or_a_path_and_has_nothing_that_a_policy_reads() {
        for address in ["https://a.example/b.js", "http://a.example:81", "/b.js", "/b;c.js?d=e"] {
            assert!(source(address).is_some(), "{address}");
        }
        for address in [
            "",
            "b.js",
            "//a.example/b.js",
            "data:text/javascript,b",
            "https://",
            "https:///b.js",
            "https://*.a.example/b.js",
            "https://a.example; script-src *",
            "https://a.example;b/c.js",
            "https://a.example,b/c.js",
            "https://a.example/b c.js",
            "javascript:b()",
            "*",
        ] {
            assert_eq!(source(address), None, "{address}");
        }
    }
}
