//! The pages that show an AsyncAPI document to people. Knows where the document is, never what it says.

/// A page that loads nothing from elsewhere: the operations of the document at `asyncapi_url`, and a console that
/// connects to the host which served the page.
///
/// Its Content-Security-Policy is in the page: `asyncapi_url` must be on the same host.
pub fn page(title: &str, asyncapi_url: &str) -> String {
    format!(
        include_str!("page/page.html"),
        title = escaped(title),
        asyncapi = escaped(asyncapi_url),
        style = include_str!("page/page.css"),
        script = SCRIPT,
    )
}

/// A page that shows the document with AsyncAPI's React component (`@asyncapi/react-component`, its standalone
/// bundle), which the reader's browser loads from `script_url`; `style_url` is its style sheet.
pub fn page_from(
    title: &str,
    asyncapi_url: &str,
    script_url: &str,
    style_url: Option<&str>,
) -> String {
    let style =
        style_url.map(|url| format!("<link rel=\"stylesheet\" href=\"{}\">\n", escaped(url)));
    format!(
        include_str!("page/foreign.html"),
        title = escaped(title),
        asyncapi = escaped(asyncapi_url),
        style = style.unwrap_or_default(),
        script_url = escaped(script_url),
    )
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
        let foreign = page_from(EVIL, EVIL, EVIL, Some(EVIL));
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
    fn without_a_style_sheet_none_is_loaded() {
        assert!(!page_from("Trading", "/asyncapi.json", "/component.js", None).contains("<link"));
    }
}
