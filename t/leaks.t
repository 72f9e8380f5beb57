# Nothing grows: a worker has the same descriptors, threads and, but for a
# little, the same memory after many requests of every kind as after a few.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use Tine::Test;

sub memory_of {
	my ($kilobytes) = slurp("/proc/$_[0]/status") =~ /^VmRSS:\s+(\d+)/m;
	return $kilobytes // 0;
}

sub ask_all {
	my ($server, $rounds) = @_;
	my ($good, $asked) = (0, 0);

	for (1 .. $rounds) {
		my $client = $server->connection;
		for my $path ("/hello", "/nolength?bytes=400000",
		    "/sendfile?bytes=300000", "/error?code=404", "/status?code=204",
		    "/flush?n=2&ms=0", "/stdio", "/inject", "/headers") {
			$client->send(request($path));
			my $reply = $client->reply;
			$good += $reply->{status} > 0 && defined $reply->{body};
			$asked++;
			$client = $server->connection if
			    ($reply->{fields}{connection} // "") eq "close";
		}
		for my $length (10, 100000) {
			$client->send(request("/sha", method => "POST",
			    body => "x" x $length));
			$good += $client->reply->{status} == 200;
			$asked++;
		}
		# One that breaks off in each state.
		for my $text ("GET /", "POST / HTTP/1.1\r\nHost: a\r\n" .
		    "Content-Length: 100000\r\n\r\n" . "x" x 80000,
		    request("/nolength?bytes=2000000")) {
			my $rude = $server->connection;
			$rude->send($text);
			$rude->more(time + 5) if $text =~ /nolength/;
			$rude->close;
		}
	}
	return ($good, $asked);
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--log=none", "--body-memory=64K",
	    "--reply-memory=100K"], quiet => qr/header field|bad header/);
	my $worker = $workers ? ($server->workers_of)[0] : $server->{pid};
	my ($good, $asked) = ask_all($server, 30);

	is($good, $asked, "$asked replies");
	# What is still being given up is not counted.
	my $settled = sub {
		my $held = $server->held;
		return !grep { $_ } values %$held;
	};
	ok((wait_for { $settled->() } 10), "no connection is open");
	my ($descriptors, $memory) = (descriptors_of($worker),
	    memory_of($worker));
	($good, $asked) = ask_all($server, 120);
	is($good, $asked, "$asked more");
	ok((wait_for { $settled->() } 10), "no connection is open");
	# In mode fork there may be a spare child more or less.
	my $between = $mode eq "fork" ? 8 : 0;
	cmp_ok(abs(descriptors_of($worker) - $descriptors), "<=", $between,
	    "as many descriptors as before");
	cmp_ok(memory_of($worker) - $memory, "<", 1500,
	    "no more memory to speak of") if slow() == 1;
	cmp_ok(threads_of($worker), "<=", ($mode eq "thread" ? 8 : 4) +
	    checker_threads(), "few threads");
	# The scoreboard of a process without a master is no spool.
	my @spools = grep { (readlink($_) // "") =~ m{^(?!/memfd:).*deleted} }
	    glob("/proc/$worker/fd/*");
	is(scalar @spools, 0, "no spool file is open");
	$server->stop;
} workers => [0, 1];
done_testing;
