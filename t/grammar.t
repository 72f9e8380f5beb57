# Every byte at every place of a request: what RFC 9112 and RFC 9110 allow is
# understood, and the request behind it too; all else is refused, and nothing
# behind it is taken for a request.
use strict;
use warnings;
use Test::More;
use Tine::Test;

my $token = qr/[!#\$%&'*+\-.^_`|~0-9A-Za-z]/;
my $text = qr/[\t\x20-\x7e\x80-\xff]/;	# of a field's value
my $blank = qr/[\t ]/;
my $digit = qr/[0-9]/;
my $hex = qr/[0-9A-Fa-f]/;
my $none = qr/(?!)/;

my $next = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
my $get = "GET / HTTP/1.1\r\nHost: a\r\n";
my $post = "POST / HTTP/1.1\r\nHost: a\r\n";
my $chunked = "${post}Transfer-Encoding: chunked\r\n\r\n";

# A body as long as a number says; what is no number is refused before it.
sub body { return "x" x ($_[0] =~ /^[0-9]+$/ ? $_[0] : 1) }
sub chunk {
	my ($size) = @_;
	my $length = $size =~ /^$hex+$/ ? hex($size) : 1;

	return "$chunked$size\r\n" . ($length == 0 ? "\r\n"
	    : "x" x $length . "\r\n0\r\n\r\n");
}

# What it is, the request with a byte in it, which bytes are good, and which
# may be one or the other: where the RFC leaves room.
my @places = (
	["in a method", sub { "G$_[0]T / HTTP/1.1\r\nHost: a\r\n\r\n" },
	    $token],
	["before a method", sub { "$_[0]$get\r\n" }, $token],
	["behind a method", sub { "GET$_[0]/ HTTP/1.1\r\nHost: a\r\n\r\n" },
	    qr/ /],
	["in a path", sub { "GET /a$_[0]b HTTP/1.1\r\nHost: a\r\n\r\n" },
	    qr{[A-Za-z0-9\-._~!\$&'()*+,;=:@/?]}, qr/["<>\[\\\]^`{|}]/],
	["in a query", sub { "GET /?$_[0]zz HTTP/1.1\r\nHost: a\r\n\r\n" },
	    qr{[A-Za-z0-9\-._~!\$&'()*+,;=:@/?]}, qr/[%"<>\[\\\]^`{|}]/],
	["behind a path", sub { "GET /$_[0]HTTP/1.1\r\nHost: a\r\n\r\n" },
	    qr/ /],
	["as major version", sub { "GET / HTTP/$_[0].1\r\nHost: a\r\n\r\n" },
	    qr/1/],
	["as minor version", sub { "GET / HTTP/1.$_[0]\r\nHost: a\r\n\r\n" },
	    qr/[1-9]/, qr/0/],
	["behind a version", sub { "GET / HTTP/1.1$_[0]\r\nHost: a\r\n\r\n" },
	    $none],
	["for the LF of a line", sub { "GET / HTTP/1.1\r$_[0]Host: a\r\n\r\n" },
	    qr/\n/],
	["in a name", sub { "${get}X$_[0]Y: v\r\n\r\n" }, qr/$token|:/],
	["before a name", sub { "$get$_[0]Y: v\r\n\r\n" }, $token],
	["in a value", sub { "${get}X: u$_[0]v\r\n\r\n" }, $text],
	["before a value", sub { "${get}X:$_[0]v\r\n\r\n" }, $text],
	["behind a value", sub { "${get}X: v$_[0]\r\n\r\n" }, $text],
	["for the CR of the end", sub { "$get$_[0]\n" }, qr/\r/],
	["for the LF of the end", sub { "$get\r$_[0]" }, qr/\n/],
	["in a host", sub { "GET / HTTP/1.1\r\nHost: a$_[0]b\r\n\r\n" },
	    qr/[A-Za-z0-9\-._~!\$&'()*+;=]/, qr/,/],
	["as a length", sub {
	    "${post}Content-Length: $_[0]\r\n\r\n" . body($_[0]) }, $digit],
	["in a length", sub {
	    "${post}Content-Length: 1$_[0]\r\n\r\n" . body("1" .
	    ($_[0] =~ /^$blank/ ? "" : $_[0])) }, qr/$digit|$blank/],
	["before a length", sub {
	    "${post}Content-Length:$_[0]1\r\n\r\n" .
	    body(($_[0] =~ /^$blank/ ? "" : $_[0]) . "1") },
	    qr/$digit|$blank/],
	["before a coding", sub {
	    "${post}Transfer-Encoding:$_[0]chunked\r\n\r\n0\r\n\r\n" },
	    $blank, qr/,/],
	["behind a coding", sub {
	    "${post}Transfer-Encoding: chunked$_[0]\r\n\r\n0\r\n\r\n" },
	    $blank, qr/,/],
	["as a chunk's size", sub { chunk($_[0]) }, $hex],
	["in a chunk's size", sub { chunk("1$_[0]") }, $hex, $blank],
	["before a chunk's size", sub { chunk("$_[0]1") }, $hex],
	["in an extension's name", sub {
	    "${chunked}1;a$_[0]b\r\nx\r\n0\r\n\r\n" }, qr/$token|[=;]/,
	    $blank],
	["in an extension's value", sub {
	    "${chunked}1;a=b$_[0]c\r\nx\r\n0\r\n\r\n" }, qr/$token|;/, $blank],
	["in a quoted value", sub {
	    "${chunked}1;a=\"b$_[0]c\"\r\nx\r\n0\r\n\r\n" },
	    qr/[\t\x20-\x21\x23-\x7e\x80-\xff]/],
	["for the CR behind a chunk", sub {
	    "${chunked}1\r\nx$_[0]\n0\r\n\r\n" }, qr/\r/],
	["for the LF behind a chunk", sub {
	    "${chunked}1\r\nx\r$_[0]0\r\n\r\n" }, qr/\n/],
	["for the LF of the last chunk", sub {
	    "${chunked}1\r\nx\r\n0\r$_[0]\r\n" }, qr/\n/],
	["for the LF of the body", sub {
	    "${chunked}1\r\nx\r\n0\r\n\r$_[0]" }, qr/\n/],
	["in a trailer's name", sub {
	    "${chunked}0\r\nX$_[0]Y: v\r\n\r\n" }, qr/$token|:/],
	["in a trailer's value", sub {
	    "${chunked}0\r\nX: u$_[0]v\r\n\r\n" }, $text],
);

# The statuses of all replies on a connection, as "200 200".
sub statuses {
	my ($server, $bytes) = @_;
	my $client = $server->connection or return "no connection";
	my @found;

	$client->send($bytes . $next);
	$client->half_close;
	my $all = $client->to_end(Time::HiRes::time() + 10 * slow());
	return "no end" unless defined $all;
	while ($all ne "") {
		$all =~ s{^HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n}{}
		    or return "no reply: $all";
		push @found, $1;
		my ($length) = $2 =~ /^Content-Length: (\d+)\r$/m;
		substr($all, 0, $length // 0) = "";
	}
	return "@found";
}

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 0,
	    args => ["--log=none"]);

	for my $place (@places) {
		my ($what, $make, $good, $either) = @$place;
		my @wrong;

		for my $byte (0 .. 255) {
			my $is = statuses($server, $make->(chr $byte));
			my $fits = chr($byte) =~ /^(?:$good)\z/s
			    ? $is eq "200 200"
			    : $is =~ /^[45]\d\d$/ || ($either &&
			    chr($byte) =~ /^(?:$either)\z/s &&
			    $is =~ /^200( 200)?$/);

			push @wrong, sprintf("%02x: %s", $byte, $is)
			    unless $fits;
		}
		is(join(", ", @wrong), "", "$mode: every byte $what");
	}
	$server->stop;
}
done_testing;
