# A reply that ends early does not look whole: curl sees an error, whichever
# way the reply is framed and the handler died.
use strict;
use warnings;
use Test::More;
use Tine::Test;

sub curl {
	my ($server, $protocol, $path) = @_;
	return (run_command("curl", "-s", "-o", "/dev/null", $protocol,
	    "--max-time", 20 * slow(),
	    "http://127.0.0.1:$server->{port}$path"))[0];
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    quiet => qr/in a handler|worker \d+|serving|child \d+ ended|in a row/);

	for my $protocol ("--http1.1", "--http1.0") {
		for my $how ("signal=9", "how=null", "how=abort", "signal=9&length",
		    "how=null&length") {
			my $status = curl($server, $protocol,
			    "/crash-half?bytes=100000&$how");

			cmp_ok($status, ">", 0, "$protocol $how: curl sees it");
			cmp_ok($status, "<", 128, "with a status of its own");
			isnt($status, 28, "at once");
			isnt($status, 52, "after the first bytes");
		}
		# The server is there again, so that the next can be judged.
		ok((wait_for { curl($server, $protocol, "/hello") == 0 } 10),
		    "$protocol: the next is served");
	}
	$server->stop;
} workers => [1, 4];

# Without a master the process ends; its reply must not look whole either.
for my $protocol ("--http1.1", "--http1.0") {
	my $server = start(workers => 0, quiet => qr/./);

	cmp_ok(curl($server, $protocol, "/crash-half?bytes=100000&signal=9"),
	    ">", 0, "$protocol: without a master curl sees it");
	is($server->ended(10), 9, "and the process dies of the signal");
}

# A handler that promised more than it wrote.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    quiet => qr/Content-Length/);

	for my $protocol ("--http1.1", "--http1.0") {
		cmp_ok(curl($server, $protocol, "/short"), ">", 0,
		    "$protocol: shorter than its Content-Length");
	}
	ok($server->log_like(qr/ ERROR .*GET \/short/), "the log names it");
	$server->stop;
} workers => [0, 1];

# A file that is shorter than was told, or has become so meanwhile.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    quiet => qr/became shorter/);
	my $more = 1000;

	for my $protocol ("--http1.1", "--http1.0") {
		for my $how ("", "&nolength", "&flush", "&nolength&flush") {
			my $path = "/sendfile?bytes=100000&more=$more$how";

			cmp_ok(curl($server, $protocol, $path), ">", 0,
			    "$protocol $path: curl sees it");
			ok($server->log_like(
			    qr/ ERROR .*: $more bytes.*GET \Q$path\E HTTP/),
			    "the log says how much, and of which request");
			$more++;
		}
	}
	my @lines = $server->err =~ /( ERROR .*)/g;
	is(@lines, 8, "one line each") or diag(@lines);
	$server->stop;
} workers => [0, 2];
done_testing;
