# Bounds: at n-1 and n a request passes, at n+1 it is refused by the right
# status, and the server goes on.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use Tine::Test;

# A GET whose head has that many bytes, by its fields or by its target.
sub head_of {
	my ($size, $where) = @_;
	my $frame = "GET /hello%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n";
	my $rest = $size - length(sprintf($frame, "", ""));

	return $where eq "target" ? sprintf($frame, "?" . "x" x ($rest - 1), "")
	    : sprintf($frame, "", "X: " . "x" x ($rest - 5) . "\r\n");
}

sub status_of { return reply_of(@_)->{status} }

sub rss_of {
	my ($kilobytes) = slurp("/proc/$_[0]/status") =~ /^VmRSS:\s+(\d+)/m;
	return $kilobytes // 0;
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--max-head=2000", "--max-fields=10"]);

	for my $size (1999, 2000) {
		for my $where ("target", "fields") {
			is(status_of($server, head_of($size, $where)), 200,
			    "--max-head: $size bytes, by its $where");
		}
	}
	is(status_of($server, head_of(2001, "fields")), 431,
	    "one byte more in the fields: 431");
	# Up to the CR that ends it, a line has room; then the fields have none.
	for my $size (1999, 2000, 2001) {
		my $line = "GET /" . "x" x ($size - 15) . " HTTP/1.1\r";

		is(status_of($server, "$line\nHost: a\r\n\r\n"),
		    $size > 2000 ? 414 : 431,
		    "--max-head: a line of $size bytes with its CR");
	}
	for my $count (9, 10, 11) {
		my $text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" .
		    join("", map { "X-$_: y\r\n" } 3 .. $count) . "\r\n";
		is(status_of($server, $text), $count > 10 ? 431 : 200,
		    "--max-fields: $count fields");
	}
	for my $size (1999, 2000, 2001) {
		my $text = "\r\n" x 900 . request("/", close => 1,
		    fields => ["X: "]);

		substr($text, -4, 0) = "x" x ($size - length $text);
		is(status_of($server, $text), $size > 2000 ? 431 : 200,
		    "--max-head: $size bytes with empty lines before it");
	}
	is(status_of($server, "\r\n" x 1001), 414, "empty lines alone");
	$server->stop;
} workers => [1];

# A body of chunks with an extension, and trailers.
sub chunked_body {
	my ($extension, @trailers) = @_;

	return request("/", method => "POST", close => 1,
	    fields => ["Transfer-Encoding: chunked"]) .
	    "2$extension\r\nhi\r\n0\r\n" . join("", map { "$_\r\n" } @trailers) .
	    "\r\n";
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--max-head=2000", "--max-fields=10",
	    "--max-extensions=300"]);

	for my $size (299, 300, 301) {
		is(status_of($server, chunked_body(";" . "x" x ($size - 1))),
		    $size > 300 ? 413 : 200, "--max-extensions: $size");
		is(status_of($server, chunked_body(";x=\"" .
		    " " x ($size - 5) . "\"")),
		    $size > 300 ? 413 : 200, "the same, a quoted string");
	}
	for my $size (1999, 2000, 2001) {
		is(status_of($server, chunked_body("", "X:" .
		    "x" x ($size - 4))), $size > 2000 ? 431 : 200,
		    "$size bytes of trailers");
	}
	for my $count (9, 10, 11) {
		is(status_of($server, chunked_body("",
		    map { "X-$_: y" } 1 .. $count)), $count > 10 ? 431 : 200,
		    "$count trailers");
	}
	$server->stop;
} workers => [1];

# A chunked body, its chunks whole in what is read at once and in pieces.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--max-body=1000"]);

	for my $size (999, 1000, 1001) {
		for my $piece (1001, 300, 7) {
			my $body = join("", map {
				my $n = $size - $_ < $piece ? $size - $_ : $piece;
				sprintf("%x\r\n", $n) . "x" x $n . "\r\n"
			} grep { $_ % $piece == 0 } 0 .. $size - 1);
			my $client = $server->connection;

			$client->send(request("/", method => "POST",
			    fields => ["Transfer-Encoding: chunked"]) .
			    "${body}0\r\n\r\n");
			is($client->reply->{status}, $size > 1000 ? 413 : 200,
			    "--max-body: $size bytes in chunks of $piece");
		}
		is(status_of($server, request("/", method => "POST",
		    close => 1, fields => ["Content-Length: $size"]) .
		    "x" x $size), $size > 1000 ? 413 : 200,
		    "--max-body: a length of $size");
	}
	$server->stop;
} workers => [1];

# Requests behind one that is in its handler stay where they are: with the
# client.  What it has sent is answered in order.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers);
	my $client = $server->connection;
	my ($sent, $n) = ("", 0);

	$client->send(request("/sleep?ms=" . 700 * slow()));
	$sent = join "", map { request("/q$_") } 1 .. 200;
	my $before = rss_of($server->workers_of);
	$client->{socket}->blocking(0);
	my $at = 0;
	while ($at < 300 * length $sent) {
		my $wrote = syswrite($client->{socket}, $sent, length($sent) -
		    $at % length $sent, $at % length $sent);
		last if !$wrote && !IO::Select->new($client->{socket})
		    ->can_write(0.2);
		$at += $wrote // 0;
	}
	my $more = rss_of($server->workers_of) - $before;
	cmp_ok($more, "<", 1024, "pipelined: of $at bytes the worker " .
	    "keeps few ($more KiB)")
	    if ($ENV{TINE_SANITIZER} // "no") eq "no";
	$client->close;
	is($server->ask("/hello")->{status}, 200, "it goes on");
	$client = $server->connection;
	$client->send(request("/sleep?ms=200") . $sent);
	is($client->reply->{body}, "Hello, world!", "the first is answered");
	while (++$n <= 200) {
		my $reply = $client->reply;
		last unless ($reply->{body} // "") =~ m{^target=/q$n$}m;
	}
	is($n, 201, "and the 200 behind it, in order");
	$server->stop;
} workers => [1];

# Connections of one address.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--max-per-client=3"]);
	my @clients = map { $server->connection } 1 .. 3;

	for my $client (@clients) {
		$client->send(request("/hello"));
		is($client->reply->{status}, 200, "--max-per-client: served");
	}
	my $fourth = $server->connection;
	$fourth->send(request("/hello"));
	my $reply = $fourth->reply;
	is($reply->{status}, 503, "one more is not");
	like($reply->{fields}{"retry-after"}, qr/^\d+$/, "but told when to");
	ok($fourth->is_closed, "and closed");
	$_->send(request("/hello")) for @clients;
	is(scalar(grep { $_->reply->{status} == 200 } @clients), 3,
	    "those that are there go on");
	(shift @clients)->close;
	ok(wait_for { $server->ask("/hello")->{status} == 200 },
	    "when one goes, another is served");
	$server->stop;
} workers => [0, 1];

# The defaults.
my $server = start();
is(status_of($server, head_of(32768, "fields")), 200, "32K of head");
is(status_of($server, head_of(32769, "fields")), 431, "and no more");
is(status_of($server, head_of(32768, "target")), 200, "of target too");
is(status_of($server, head_of(40000, "target")), 414, "and no more");
is(status_of($server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" .
    join("", map { "X-$_: y\r\n" } 3 .. $_) . "\r\n"), $_ > 100 ? 431 : 200,
    "$_ fields") for 99, 100, 101;
$server->stop;

# At --max-connections an idle one makes room; then there is 503.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--max-connections=10"]);
	my @clients = map { $server->connection } 1 .. 10;

	$_->send(request("/hello")) for @clients;
	is(scalar(grep { $_->reply->{status} == 200 } @clients), 10, "ten");
	my $eleventh = $server->connection;
	$eleventh->send(request("/hello"));
	is($eleventh->reply->{status}, 200, "the eleventh is served");
	is(scalar(grep { $_->is_closed(0.3) } @clients), 1,
	    "and an idle connection goes for it");
	$_->send("GET /hello HTTP/1.1\r\nHo") for @clients, $eleventh;
	my $twelfth = $server->connection;
	$twelfth->send(request("/hello"));
	my $reply = $twelfth->reply;
	is($reply->{status}, 503, "with ten that are not idle: 503");
	like($reply->{fields}{"retry-after"}, qr/^\d+$/, "Retry-After");
	ok($twelfth->is_closed, "and the end");
	$eleventh->send("st: a\r\n\r\n");
	is($eleventh->reply->{status}, 200, "those that are there go on");
	$_->close for @clients, $eleventh;
	$server->stop;
} workers => [0, 1];

# Without descriptors the server neither spins nor dies: by its own count of
# them it takes no more than it can, and where it is told to take more it lets
# clients go at once.
for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 1, nofile => 100);
	my $worker = ($server->workers_of)[0];
	my %waiting = map { $_ => $server->connection } 1 .. 150;
	my @taken;

	# Who is taken first is the kernel's affair.
	$_->send(request("/hello")) for values %waiting;
	wait_for { @taken = grep { !$waiting{$_}->is_quiet(0) }
	    keys %waiting; @taken >= 40 } 5;
	cmp_ok(scalar @taken, ">=", 40, "$mode: 100 descriptors, " .
	    @taken . " of 150 clients are taken");
	my $before = cpu_of($worker);
	select(undef, undef, undef, 0.7);
	cmp_ok(cpu_of($worker) - $before, "<", 0.3 * slow(),
	    "it does not spin while the others wait");
	my $good = 0;
	wait_for {
		for (grep { !$waiting{$_}->is_quiet(0) } keys %waiting) {
			my $client = delete $waiting{$_};
			my $reply = $client->reply;
			$good++ if $reply->{status} == 200 ||
			    $reply->{fields}{"retry-after"};
			$client->close;
		}
		!%waiting;
	} 10;
	is($good, 150, "all are answered when those before them go, or told to come again");
	$server->stop;

	$server = start(mode => $mode, workers => 1, nofile => 100,
	    args => ["--max-connections=500"],
	    quiet => qr/descriptor|Too many open files/);
	$worker = ($server->workers_of)[0];
	my @clients = grep { $_ } map { $server->connection } 1 .. 150;
	$_->send(request("/hello")) for @clients;
	$before = cpu_of($worker);
	my @replies = map { $_->reply("GET", 0.02) } @clients;
	select(undef, undef, undef, 0.5);
	cmp_ok(cpu_of($worker) - $before, "<", 0.4 * slow(),
	    "told to take 500: it does not spin");
	cmp_ok(scalar(grep { $_->{status} == 200 } @replies), ">=", 30,
	    "those that it could take are served");
	is(($server->workers_of)[0], $worker, "it lives");
	$_->close for @clients;
	is($server->ask("/hello")->{status}, 200, "and serves the next");
	my $lines = () = $server->err =~ /descriptor|Too many/g;
	cmp_ok($lines, "<=", 3, "it does not fill the log");
	$server->stop;
}
done_testing;
