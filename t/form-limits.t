# The limits of forms: each an option, with its own answer, and nothing left
# behind.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);

sub multipart {
	my ($boundary, @parts) = @_;
	return join("", map { "--$boundary\r\n$_\r\n" } @parts) .
	    "--$boundary--\r\n";
}
sub file {
	my ($bytes, $more) = @_;
	return "Content-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n" .
	    ($more // "") . "\r\n" . "x" x $bytes;
}
sub field { return "Content-Disposition: form-data; name=\"a\"\r\n\r\n$_[0]" }

sub status_of {
	my ($server, $type, $body) = @_;
	return $server->ask("/", method => "POST", body => $body,
	    fields => ["Content-Type: $type"])->{status};
}

for my $mode (@modes) {
	my $server = start(program => build("examples/post"), mode => $mode,
	    args => ["--form-fields=10", "--form-memory=4000",
	    "--form-value-memory=1000", "--form-files=3", "--form-file=2000",
	    "--form-headers=200", "--form-boundary=20", "--spool-dir=$dir",
	    "--spool-space=5000"], quiet => qr/No space|cannot/);
	my $urlencoded = "application/x-www-form-urlencoded";
	my $type = "multipart/form-data; boundary=b";

	for (["10 fields", $urlencoded, join("&", ("a=b") x 10), 200],
	    ["11 fields", $urlencoded, join("&", ("a=b") x 11), 413],
	    ["values within the memory", $urlencoded, "a=" . "x" x 900, 200],
	    ["files", $type, multipart("b", (file(100)) x 3), 200],
	    ["a file too many", $type, multipart("b", (file(100)) x 4), 413],
	    ["a file of 2000", $type, multipart("b", file(2000)), 200],
	    ["one byte more", $type, multipart("b", file(2001)), 413],
	    ["short headers", $type, multipart("b", file(1, "X: y\r\n")), 200],
	    ["long headers", $type, multipart("b", file(1, "X: " . "y" x 200 .
	    "\r\n")), 400],
	    ["a boundary of 20", "multipart/form-data; boundary=" . "b" x 20,
	    multipart("b" x 20, field("c")), 200],
	    ["one of 21", "multipart/form-data; boundary=" . "b" x 21,
	    multipart("b" x 21, field("c")), 400]) {
		my ($name, $what, $body, $status) = @$_;

		is(status_of($server, $what, $body), $status,
		    "$mode, $name: $status");
	}
	if ($mode ne "fork") {
		is(status_of($server, $type, multipart("b",
		    (file(1900)) x 3)), 507, "no room in the spool: 507");
		is(status_of($server, $type, multipart("b", file(1900))),
		    200, "what it took was given back");
	}
	is(scalar(() = glob("$dir/*")), 0, "no file is left");
	$server->stop;
}
done_testing;
