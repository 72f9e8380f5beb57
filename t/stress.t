# Everything at once: handlers that are short, block, compute and crash,
# bodies and replies of all sizes, clients that come, go, and break off.
# Whoever asked properly has the right reply; nobody waits for ever.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(time);
use Tine::Test;

my $seconds = 4;
my $clients = 6;	# processes
my $least = 20;		# acts of each, however long they take

# One client's life with one server, who has so many of the other acts for
# each crash, or none; what went wrong, as a list of lines.
sub live {
	my ($server, $seed, $rounds) = @_;
	my $end = time + $seconds;
	my ($count, $client, @wrong) = (0);

	srand($seed);
	my %acts = (
		hello => sub {
			my $reply = shift->("/hello");
			return ($reply->{body} // "") eq "Hello, world!";
		},
		sleep => sub {
			my $reply = shift->("/sleep?ms=" . int(rand(20)));
			return ($reply->{body} // "") eq "Hello, world!";
		},
		spin => sub {
			my $reply = shift->("/spin?us=" . int(rand(3000)));
			return ($reply->{body} // "") eq "Hello, world!";
		},
		body => sub {
			my $body = chr(97 + rand(26)) x
			    (10 ** rand(5.5));
			my $hash = sha256_hex($body);
			my $reply = shift->("/sha", method => "POST",
			    body => $body);
			return ($reply->{body} // "") =~ /^sha256=$hash$/m;
		},
		big => sub {
			my $bytes = int(10 ** rand(6));
			my @how = ("/big", "/nolength", "/sendfile");
			my $reply = shift->("$how[rand 3]?bytes=$bytes");
			return length($reply->{body} // "") == $bytes;
		},
		pipeline => sub {
			my $tag = int(rand(1e9));
			$client->send(join "", map { request("/$tag/$_") }
			    1 .. 10);
			return 10 == grep { ($client->reply->{body} // "") =~
			    m{^target=/$tag/$_$}m } 1 .. 10;
		},
		leave => sub {
			my @how = (request("/big?bytes=1000000"),
			    request("/sleep?ms=5"), "GET / HT",
			    "POST / HTTP/1.1\r\nHost: a\r\n" .
			    "Content-Length: 100000\r\n\r\nabc", "");
			$client->send($how[rand @how]);
			$client->more(time + 5) if rand() < 0.3;
			$client->close;
			undef $client;
			return 1;
		},
		bad => sub {
			$client->send("GET / HTTP/1.1\r\nHost a\r\n\r\n");
			my $reply = $client->reply;
			undef $client;
			return $reply->{status} == 400;
		},
		crash => sub {
			my @how = qw(how=null how=abort signal=8);
			my $reply = shift->("/crash?$how[rand @how]");
			undef $client;
			return $reply->{status} == 500;
		},
	);
	my @names = grep { $_ ne "crash" } sort keys %acts;
	@names = ((@names) x $rounds, "crash") if $rounds;
	while (time < $end || ($count < $least &&
	    time < $end + 30 * slow())) {
		my $name = $names[rand @names];

		$client //= $server->connection;
		if (!$client) {
			push @wrong, "no connection";
			last;
		}
		my $reply;
		my $ok = $acts{$name}->(sub {
			my ($path, %o) = @_;

			$client->send(request($path, %o));
			$reply = $client->reply($o{method}, 20);
			undef $client if ($reply->{fields}{connection} // "")
			    eq "close";
			return $reply;
		});
		$count++;
		next if $ok;
		push @wrong, "$name: " . ($reply ? "$reply->{status} " .
		    ($reply->{trouble} // "other body") : "wrong replies");
		undef $client;
		last if @wrong > 5;
	}
	return ($count, @wrong);
}

each_mode {
	my ($mode, $workers) = @_;
	# In another mode than fork a crash ends the worker, whose clients go
	# to the others, or to the next one; without a master it ends all.
	my $rounds = $mode eq "fork" ? 1 : $workers > 0 ? 5 : 0;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--log=none", "--body-memory=20000",
	    "--reply-memory=50000"], quiet => qr/in a handler|worker \d|in a row|child \d+ ended/);
	my ($count, @wrong, @pipes) = (0);

	for my $seed (1 .. $clients) {
		my $pid = open(my $pipe, "-|") // die "fork: $!";

		if ($pid == 0) {
			my @found = live($server, $seed, $rounds);
			print join("\n", @found), "\n";
			close(STDOUT);
			POSIX::_exit(0);
		}
		push @pipes, $pipe;
	}
	for my $pipe (@pipes) {
		my ($done, @lines) = <$pipe>;
		$count += $done // 0;
		push @wrong, defined $done ? @lines : "a client died\n";
		close($pipe);
	}
	is(join("", @wrong), "", "$count acts, each with its right reply");
	cmp_ok($count, ">=", $clients * $least,
	    "and many of them");
	is($server->ask("/hello")->{status}, 200, "it serves on");
	ok((wait_for { my $held = $server->held;
	    !grep { $_ } values %$held } 10), "no connection is left open");
	$server->stop;
};
done_testing;
