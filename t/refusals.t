# tine_http(7) and the server say the same: each row of the page's lists has a
# request here, whose answer is the row's.
use strict;
use warnings;
use Test::More;
use Tine::Test;

my $host = "Host: a.example\r\n";
my $hello = "5\r\nhello\r\n0\r\n\r\n";

sub get { return "GET / HTTP/1.1\r\n$host$_[0]\r\n" }
sub target { return "GET $_[0] HTTP/1.1\r\n$host\r\n" }
sub line { return "$_[0]\r\n$host\r\n" }
sub post { return "POST / HTTP/1.1\r\n$host$_[0]\r\n" . ($_[1] // "hello") }
sub chunks { return post("Transfer-Encoding: chunked\r\n", $_[0]) }

# The row, and requests that it is about; what may follow them is closed.
my %requests = (
	"one CRLF before it, or more" => ["\r\n" . get(""),
	    "\r\n\r\n\r\n" . get("")],
	"more of them than a head may have bytes" => ["\r\n" x 1001],
	"any other white space before it" => [" " . get(""), "\t" . get("")],
	"not exactly one space between its parts" => [
	    line("GET  / HTTP/1.1"), line("GET /  HTTP/1.1"),
	    line("GET\t/\tHTTP/1.1"), line("GET /a b HTTP/1.1")],
	"a space or TAB at its end" => [line("GET / HTTP/1.1 "),
	    line("GET / HTTP/1.1\t")],
	"an end that is LF alone, or CR alone" => [
	    "GET / HTTP/1.1\n$host\r\n", "GET / HTTP/1.1\r$host\r\n"],
	"a method that is no token, or an empty one" => [
	    line("G(T / HTTP/1.1"), line("G\x80T / HTTP/1.1"),
	    line("G\0T / HTTP/1.1")],
	"a method that no handler has" => [line("TRACE / HTTP/1.1")],
	"no version, as in HTTP/0.9" => ["GET /\r\n"],
	"a version that is not HTTP/digit.digit" => [map { line("GET / $_") }
	    "HTTP/1", "HTTP/1.", "HTTP/1.10", "HTTP/01.1", "http/1.1",
	    "HTTP/1,1", "HTTP/+1.1", "HTTPS/1.1"],
	"a major version that is not 1" => [map { line("GET / HTTP/$_") }
	    "0.9", "2.0", "9.9"],
	"HTTP/1.2 to HTTP/1.9: as HTTP/1.1" => [line("GET / HTTP/1.2"),
	    line("GET / HTTP/1.9")],
	"a PROXY header of one who is no proxy" => [
	    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" . get(""),
	    "PROXY UNKNOWN\r\n" . get("")],
	"a line longer than --max-head" => [target("/" . "a" x 2000)],

	"a control character, or a byte above 126" => [target("/a\x01b"),
	    target("/a\tb"), target("/a\0b"), target("/a\x7f"),
	    target("/\xe9")],
	"a fragment" => [target("/a#b"), target("http://a.example/#b")],
	"a path without a slash in front" => [target("a"), target("?a"),
	    target("../a")],
	"bytes that RFC 3986 has not, as a bar or a brace" => [
	    target("/a|b"), target("/{a}"), target("/\"<>\\^`")],
	"a path with a percent sign that begins no escape" => [
	    target("/%zz"), target("/%"), target("/%2"), target("/a%u0041"),
	    target("/%2?a"), target("http://a.example/%")],
	"a query with one" => [target("/?%zz%"), target("http://a.example?%")],
	"an absolute one" => [target("http://a.example/x?y"),
	    target("HTTPS://a.example")],
	"an absolute one whose host is not that of Host" =>
	    [target("http://b.example:80/")],
	"an absolute one without a host" => [target("http:///x"),
	    target("http://:80/x"), target("http:x")],
	"an absolute one with a user" => [target("http://u\@a.example/")],
	"an absolute one that is neither http nor https" => [
	    target("ftp://a.example/"), target("urn:a")],
	"* and a method that is not OPTIONS" => [target("*")],
	"* and OPTIONS, where no handler has it" =>
	    [line("OPTIONS * HTTP/1.1")],
	"host and port, and a method that is not CONNECT" =>
	    [target("a.example:80")],
	"CONNECT and anything but host and port" => [
	    map { line("CONNECT $_ HTTP/1.1") } "/", "a.example", ":443",
	    "http://a.example/", "a.example:99999", "*"],

	"a name that is no token, or an empty one" => [get("X(: y\r\n"),
	    get(": y\r\n"), get("\xe9: y\r\n"), get("X\0: y\r\n")],
	"white space before the colon" => [get("X : y\r\n"),
	    get("X\t: y\r\n")],
	"a line without a colon" => [get("X\r\n")],
	"a folded line" => [get("X: y\r\n z\r\n"), get("X:\r\n\tz\r\n")],
	"white space before the first field" =>
	    ["GET / HTTP/1.1\r\n $host\r\n", "GET / HTTP/1.1\r\n \r\n$host\r\n"],
	"a control character but TAB in a value" => [get("X: \x01\r\n"),
	    get("X: a\x0bb\r\n"), get("X: \x7f\r\n")],
	"a bare CR or NUL in a value" => [get("X: a\rb\r\n"),
	    get("X: a\0b\r\n")],
	"a byte above 127 in a value" => [get("X: \xe9\xff\r\n")],
	"a line that ends with LF alone" => [get("X: y\n"),
	    "GET / HTTP/1.1\r\n$host\n"],
	"fields that make the head longer than --max-head" =>
	    [get("X: " . "y" x 2000 . "\r\n")],
	"more fields than --max-fields" => [get("X: y\r\n" x 10)],
	"no Host in HTTP/1.1" => ["GET / HTTP/1.1\r\n\r\n"],
	"no Host in HTTP/1.0" => ["GET / HTTP/1.0\r\n\r\n"],
	"more than one Host, be they the same" => [get($host)],
	map({ $_->[0] => [map { "GET / HTTP/1.1\r\nHost: $_\r\n\r\n" }
	    @{$_->[1]}] }
	    ["a Host that is no host and port" => ["a b", "a:b", "[::1",
		"a:1:2", "a,b c", "\xe9"]],
	    ["a Host with a user or a path" => ["u\@a", "a/b"]],
	    ["a port without a host" => [":80", ":"]],
	    ["a port above 65535" => ["a:65536", "a:99999999999999999999"]],
	    ["an empty Host" => [""]]),

	"neither a length nor a coding: no body" => [post("", "")],
	"a Content-Length that is not digits alone" => [
	    map { post("Content-Length: $_\r\n") } "+5", "-5", "0x5", "5.0",
	    "5 5", "five", "\"5\""],
	"an empty Content-Length" => [post("Content-Length:\r\n")],
	"more than one Content-Length, be they the same" =>
	    [post("Content-Length: 5\r\nContent-Length: 5\r\n")],
	"a list in it" => [post("Content-Length: 5, 5\r\n")],
	"zeros in front of it" => [post("Content-Length: 0005\r\n")],
	"one above --max-body, however large" => [
	    map { post("Content-Length: $_\r\n") } 100001,
	    "9223372036854775808", "18446744073709551621", "9" x 500],
	"both Content-Length and Transfer-Encoding" => [
	    post("Content-Length: 15\r\nTransfer-Encoding: chunked\r\n",
	    $hello),
	    post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
	    $hello)],
	"Transfer-Encoding in HTTP/1.0" => ["POST / HTTP/1.0\r\n" .
	    "Transfer-Encoding: chunked\r\n\r\n$hello"],
	"a coding that is not chunked" => [
	    map { post("Transfer-Encoding: $_\r\n", $hello) } "gzip",
	    "identity", "xchunked", "\"chunked\"", "chunked;a=b"],
	"another coding before or after chunked" => [
	    map { post("Transfer-Encoding: $_\r\n", $hello) }
	    "gzip, chunked", "chunked, gzip"],
	"chunked twice in one field" =>
	    [post("Transfer-Encoding: chunked, chunked\r\n", $hello)],
	"two fields Transfer-Encoding" => [post("Transfer-Encoding: " .
	    "chunked\r\nTransfer-Encoding: chunked\r\n", $hello)],
	"an empty Transfer-Encoding" =>
	    [post("Transfer-Encoding:\r\n", $hello)],
	"a head or body that the client cuts off" => [\"GET / HT",
	    \post("Content-Length: 6\r\n"), \chunks("5\r\nhello\r\n")],

	"a size that is not hexadecimal digits alone" => [
	    map { chunks("$_\r\nhello\r\n0\r\n\r\n") } "0x5", "-5", "", "g",
	    "5h", "+5"],
	"white space before a size, or at the end of its line" => [
	    map { chunks("$_\r\nhello\r\n0\r\n\r\n") } " 5", "5 ", "5;a "],
	"a size above 2^60, or of over 32 digits" => [
	    map { chunks("$_\r\nhello\r\n0\r\n\r\n") } "1000000000000000",
	    "10000000000000005", "f" x 20, "0" x 32 . "5"],
	"a body above --max-body" => [chunks("186a1\r\n"),
	    chunks("186a0\r\n" . "a" x 100000 . "\r\n1\r\n")],
	"data that is not followed by CRLF" => [chunks("5\r\nhelloX\r\n"),
	    chunks("4\r\nhello\r\n")],
	"an extension, which is ignored" => [
	    map { chunks("5$_\r\nhello\r\n0\r\n\r\n") } ";a", " ; a = b",
	    ";a=\"b;\\\"\""],
	"an extension that is not in the grammar" => [
	    map { chunks("5$_\r\nhello\r\n0\r\n\r\n") } ";", ";=a", ";a b",
	    ";a=b=c", ";\xe9", ";a\0"],
	"a quoted string that does not end in its line" => [
	    chunks("5;a=\"\r\nhello\r\n0\r\n\r\n")],
	"more extensions than --max-extensions" => [
	    chunks("5;" . "a" x 100 . "\r\nhello\r\n0\r\n\r\n")],
	"trailers, which are dropped, whatever their names" => [
	    chunks("5\r\nhello\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n")],
	"a trailer that is no field" => [
	    map { chunks("5\r\nhello\r\n0\r\n$_\r\n\r\n") } "X", "X : y",
	    " X: y", "X: y\r\n z", "X: a\0"],
	"trailers larger than --max-head" => [
	    chunks("5\r\nhello\r\n0\r\nX: " . "y" x 2000 . "\r\n\r\n")],
	"more trailers than --max-fields" => [
	    chunks("5\r\nhello\r\n0\r\n" . "X: y\r\n" x 11 . "\r\n")],

	"an expectation other than 100-continue" => [
	    post("Expect: x\r\nContent-Length: 5\r\n"),
	    post("Expect: 100-continue, x\r\nContent-Length: 5\r\n")],
	"any in HTTP/1.0: ignored, no 100" => ["POST / HTTP/1.0\r\n" .
	    "Expect: x\r\nContent-Length: 5\r\n\r\nhello"],
	"100-continue and a body that comes at once: no 100" =>
	    [post("Expect: 100-continue\r\nContent-Length: 5\r\n")],
	"Upgrade: ignored" => [get("Connection: Upgrade\r\nUpgrade: h2c\r\n")],
	"close and keep-alive: closed" => [get("Connection: keep-alive, " .
	    "close\r\n")],
);
# In two lists of the page.
my %chunk_lines = ("a line that ends with LF alone" => [
    chunks("5\nhello\r\n0\r\n\r\n"), chunks("5\r\nhello\r\n0\n\r\n"),
    chunks("5\r\nhello\r\n0\r\n\n")]);

my $server = start(args => ["--max-head=2000", "--max-fields=10",
    "--max-body=100000", "--max-extensions=100"]);

# What is answered, and whether the connection ends with it.
sub answer {
	my $request = shift;
	my $client = $server->connection;
	my $method = (ref $request ? $$request : $request) =~ /^(\w+)/ ? $1
	    : "GET";

	$client->send(ref $request ? $$request : $request);
	$client->half_close if ref $request;
	my $reply = $client->reply($method);
	return ("none", ($reply->{trouble} // "") eq "end")
	    if !$reply->{status};
	return ($reply->{status}, ($reply->{fields}{connection} // "") eq
	    "close" && $client->is_closed);
}

my (%seen, $list);
for (split /\n/, slurp(source("man/tine_http.7"))) {
	$list = $1 if /^\.Ss (.*)/;
	next unless /^\.It (.*) Ta (\d+|none) Ta (.*)/;
	my ($row, $status, $section) = ($1, $2, $3);

	$row =~ s/Fl -/--/;
	$row =~ s/ ,/,/;
	my $asked = $list eq "Chunks" && $chunk_lines{$row} || $requests{$row};
	$seen{$row} = 1;
	ok($asked, "$list: $row: there is a request") or next;
	like($section, qr/^(RFC \d{4} )?\d+(\.\d+)*$/, "$row: a section");
	for my $request (@$asked) {
		my ($got, $is_closed) = answer($request);
		my $text = ref $request ? "$$request and the end" : $request;

		$text =~ s/([^\x20-\x7e])/sprintf("\\x%02x", ord($1))/ge;
		is($got, $status, substr("$row: $text", 0, 200));
		ok($is_closed, "and the connection ends") if $status ne "200";
	}
}
is_deeply([grep { !$seen{$_} } sort keys %requests], [],
    "each request is of a row");
$server->stop;
done_testing;
