# Supervision, cases 32 to 35: a handler that neither returns nor moves a byte
# is ended after --timeout, in each mode: its client gets 504, its worker is
# replaced, and the others are served.
use strict;
use warnings;
use IO::Select;
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $noise = qr/stuck|in a handler|runs no handler|worker \d|child \d|closed descriptors/;

# Idle connections have little time at a stop, since there are many stops.
sub wreck {
	my %o = (args => ["--timeout=1"], @_);

	return start(program => build("t/wreck"), workers => 2,
	    quiet => $noise, %o, args => ["--drain-idle=0.1", @{$o{args}}]);
}

# Whether one of those workers has been replaced.
sub one_replaced {
	my ($server, @old) = @_;
	my %old = map { $_ => 1 } @old;
	my @now = grep { alive($_) } $server->workers_of;

	return @now == @old && @old - 1 == grep { $old{$_} } @now;
}

# Has each of the servers run into it at once, and looks after each in turn.
sub stuck {
	my ($path, $check, @servers) = @_;
	my @tries;

	for my $server (@servers) {
		my @before = $server->workers_of;
		my @idle = ask_all($server, 20, "/hello");

		answered(@idle);
		my $client = $server->connection;
		push @tries, { server => $server, before => \@before,
		    idle => \@idle, client => $client, begun => time };
		$client->send(request($path));
	}
	for my $try (@tries) {
		$check->($try);
	}
	for my $try (@tries) {
		$_->send(request("/hello")) for @{$try->{idle}};
		is(answered(@{$try->{idle}}), 20, "idle connections live on")
		    unless $try->{loses};
		$try->{server}->stop;
	}
}

subtest "32. handler loops for ever: replaced within timeout + 1 s, client 504, backtrace logged" => sub {
	stuck("/hang?spin", sub {
		my $try = shift;
		my $server = $try->{server};

		is($server->ask("/hello")->{status}, 200,
		    "$server->{mode}: others are served");
		is($try->{client}->reply->{status}, 504,
		    "the client gets 504");
		ok((wait_for { one_replaced($server, @{$try->{before}}) }
		    5), "its worker is replaced") if $server->{mode} ne "fork";
		cmp_ok(time - $try->{begun}, "<", 2.5 * slow(), "in time");
		ok($server->log_like(qr/(stuck|--timeout).*client 127\.0\.0\.1, request "GET \/hang\?spin/),
		    "the log names the request");
		ok($server->log_like(qr/^  #\d+ hang\b/m), "and the handler")
		    if $server->{mode} eq "single";
	}, map { wreck(mode => $_) } @modes);
};

subtest "32. a handler is stuck in a worker that leaves, or in a stop: no more time than --timeout" => sub {
	for my $signal ("HUP", "TERM") {
		my @servers = map { wreck(mode => $_) } @modes;
		my @stuck = map { my $c = $_->connection;
		    $c->send(request("/hang")); $c } @servers;

		$stuck[0]->is_quiet(0.3);
		my $begun = time;
		kill($signal, $_->{pid}) for @servers;
		is($_->reply->{status}, 504, "$signal: 504") for @stuck;
		cmp_ok(time - $begun, "<", 2.5 * slow(), "in time");
		$_->stop for @servers;
	}
};

subtest "33. handler blocks ABRT and all else: ended all the same" => sub {
	stuck("/hang?blocked", sub {
		my $try = shift;
		my $server = $try->{server};

		is($try->{client}->reply->{status}, 504,
		    "$server->{mode}: the client gets 504");
		ok((wait_for { one_replaced($server, @{$try->{before}}) }
		    5), "its worker is replaced");
		cmp_ok(time - $try->{begun}, "<", 3.5 * slow(), "in time");
	}, map { wreck(mode => $_) } modes_in_worker());
};

subtest "33. a handler stops its process: KILL a second after ABRT" => sub {
	stuck("/hang?stop", sub {
		my $try = shift;
		my $server = $try->{server};

		is($server->ask("/hello")->{status}, 200,
		    "$server->{mode}: others are served");
		is($try->{client}->reply->{status},
		    $server->{mode} eq "fork" ? 504 : 0,
		    "no wrong reply");
		# Nobody can hand connections over in a stopped process.
		return if $server->{mode} eq "fork";
		$try->{loses} = 1;
		ok((wait_for { one_replaced($server, @{$try->{before}}) }
		    5), "its worker is replaced");
		cmp_ok(time - $try->{begun}, "<", 4.5 * slow(), "in time");
		ok($server->log_like(qr/is stuck/), "the log says it");
		ok($server->log_like(qr/died: signal 9 \(Killed\); it lived/),
		    "killed by tine");
	}, map { wreck(mode => $_) } @modes);
};

subtest "34. a slow reader is no stuck handler" => sub {
	my @tries;

	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 1,
		    args => ["--timeout=1", "--reply-memory=64K",
		    "--reply-spool=64K"], quiet => undef);
		my $slow = $server->connection;

		$slow->send(request("/big?bytes=20000000"));
		push @tries, [$server, $slow];
	}
	sleep 2.2;
	for my $try (@tries) {
		my ($server, $slow) = @$try;

		is(length($slow->reply("GET", 20)->{body} // ""), 20000000,
		    "$server->{mode}: it gets the whole reply");
		$server->stop;
	}
};

# The kernel tells of room when a third of its buffer is free, long after.
subtest "34. a reader who is slow all the time is not silent" => sub {
	my (@tries, $end);

	for my $mode (@modes) {
		# While the handler writes, and when it has ended.
		for my $spool ("64K", "1G") {
			my $server = wreck(mode => $mode, workers => 1,
			    quiet => undef, args => ["--timeout=1",
			    "--send-timeout=2", "--reply-memory=64K",
			    "--reply-spool=$spool"]);
			my $slow = $server->connection;

			setsockopt($slow->{socket}, SOL_SOCKET, SO_RCVBUF,
			    32768);
			$slow->send(request("/big?bytes=10000000"));
			push @tries, ["$mode, $spool", $server, $slow];
		}
	}
	$end = time + 7;
	while (time < $end) {
		for my $try (@tries) {
			my $client = $try->[2];
			sysread($client->{socket}, $client->{buffer}, 5000,
			    length $client->{buffer})
			    if IO::Select->new($client->{socket})->can_read(0);
		}
		sleep 0.05;
	}
	for my $try (@tries) {
		my ($name, $server, $slow) = @$try;

		is(length($slow->reply("GET", 20)->{body} // ""), 10000000,
		    "$name: it gets the whole reply");
		$server->stop;
	}
};

subtest "34. slow reader of a 10 MB reply at 10 KB/s with --timeout=2: complete" => sub {
	plan skip_all => "takes minutes (TINE_LONG=1)" unless $ENV{TINE_LONG};
	my @servers = map { wreck(mode => $_, workers => 1,
	    args => ["--timeout=2", "--reply-memory=64K",
	    "--reply-spool=64K"], quiet => undef) } @modes;
	my @slow = map { my $c = $_->connection;
	    $c->send(request("/big?bytes=10000000")); $c } @servers;
	my $end = time + 60;

	# 10 KB/s for a minute, then what is left.
	while (time < $end) {
		for my $client (@slow) {
			sysread($client->{socket}, $client->{buffer}, 1000,
			    length $client->{buffer});
		}
		sleep 0.1;
	}
	for my $i (0 .. $#servers) {
		is(length($slow[$i]->reply("GET", 60)->{body} // ""),
		    10000000, "$modes[$i]: complete");
		$servers[$i]->stop;
	}
};

subtest "34. event stream with a line a second likewise" => sub {
	my @servers = map { wreck(mode => $_, workers => 1, quiet => undef)
	    } @modes;
	my @streams = map { my $c = $_->connection;
	    $c->send(request("/events?count=6&pause=600")); $c } @servers;

	for my $i (0 .. $#servers) {
		my $body = $streams[$i]->reply->{body} // "";
		is(scalar(() = $body =~ /^data: /mg), 6,
		    "$modes[$i]: 3.6 s of events with --timeout=1");
		$servers[$i]->stop;
	}
};

subtest "35. one stuck child or thread: other requests finish, the worker and its connections live" => sub {
	for my $mode (grep { $_ ne "single" } @modes) {
		my $server = wreck(mode => $mode, workers => 1);
		my @idle = ask_all($server, 20, "/hello");
		answered(@idle);
		my $stuck = $server->connection;
		$stuck->send(request("/hang"));
		$stuck->is_quiet(0.5);
		my @others = ask_all($server, 5, "/sleep?ms=800");
		is($stuck->reply->{status}, 504, "$mode: 504");
		is(answered(@others), 5, "other requests finish");
		$_->send(request("/hello")) for @idle;
		is(answered(@idle), 20, "connections live on");
		is($server->ask("/hello")->{status}, 200, "it serves");
		$server->stop;
	}
};

subtest "35. all handlers stuck at once: each client is told, and it serves on" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 2,
		    args => ["--timeout=1", "--max-threads=4",
		    "--max-children=4"]);
		my @stuck = ask_all($server, 8, "/hang");
		my @told = map { $_->reply("GET", 12)->{status} } @stuck;

		is(scalar(grep { $_ == 504 || $_ == 503 || $_ == 500 } @told),
		    8, "$mode: each is told: @told");
		is($server->ask("/hello", seconds => 10)->{status}, 200,
		    "it serves");
		$server->stop;
	}
};

subtest "a handler that closes what is not its own: its worker is replaced" => sub {
	for my $what ("", "?socket", "?eventpoll", "?eventfd") {
		stuck("/close$what", sub {
			my $try = shift;
			my $server = $try->{server};

			$try->{loses} = 1 if $what =~ /^(\?socket)?$/;
			ok((wait_for { one_replaced($server,
			    @{$try->{before}}) } 4),
			    "$server->{mode}, $what: replaced");
			is($server->ask("/hello")->{status}, 200, "it serves");
		}, map { wreck(mode => $_, args => []) }
		    modes_in_worker());
	}
};

subtest "a handler that blocks all signals and returns: TERM is obeyed" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 1);

		is($server->ask("/mask")->{status}, 200, "$mode: it returns");
		is($server->ask("/hello")->{status}, 200, "it serves on");
		$server->stop;
	}
};

subtest "a handler's child that outlives it holds no client's end, and no port" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 1, args => []);
		my @idle = ask_all($server, 5, "/hello");

		answered(@idle);
		my $client = $server->connection;
		$client->send(request("/fork?ms=60000", close => 1));
		my $child = $client->reply->{body};
		like($child, qr/^\d+$/, "$mode: it has forked $child");
		ok($client->is_closed(2), "its client sees the end");
		my $dead = $server->ask("/fork?ms=0&crash")->{body};
		$_->send(request("/hello")) for @idle;
		is(answered(@idle), 5, "a child's crash is no worker's");
		ok(alive($child), "the child is there still");
		kill("TERM", $server->{pid});
		is($server->ended(5), 0, "the server ends beside it");
		is($server->connection, undef, "and its port is free");
		kill("KILL", $child);
	}
};
done_testing;
