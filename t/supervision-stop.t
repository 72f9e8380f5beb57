# How a server stops: gracefully, quickly, at its terminal's end; and what
# does not stop it.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $supervised = build("t/supervised");

# A request in hand, for so many milliseconds.
sub held {
	my ($server, $ms) = @_;
	my $client = $server->connection;

	$client->send(request("/sleep?ms=$ms"));
	$client->is_quiet(0.2) or diag("no handler runs");
	return $client;
}

# The block for each mode, without a master and with two workers.
sub each_way (&) {
	my $block = shift;

	for my $mode (@modes) {
		$block->($mode, $_, "$mode, $_ workers") for 0, 2;
	}
}

# Has no port any more.
sub is_refused {
	my $server = shift;
	return !defined $server->connection;
}

subtest "13. TERM with a full accept queue" => sub {
	for my $mode (@modes) {
		my $server = start(mode => $mode, workers => 2);
		my @workers = $server->workers_of;

		kill("STOP", @workers);
		my @clients = map { my $c = $server->connection;
		    $c->send(request("/hello")); $c } 1 .. 50;
		kill("TERM", $server->{pid});
		sleep 0.2;
		kill("CONT", @workers);
		is(scalar(grep { $_->reply->{status} == 200 } @clients), 50,
		    "$mode: all 50 are answered");
		ok((wait_for { is_refused($server) } 5), "the port is closed");
		$server->stop;
	}
	my $server = start(workers => 0);
	kill("STOP", $server->{pid});
	my @clients = map { my $c = $server->connection;
	    $c->send(request("/hello")); $c } 1 .. 50;
	kill("TERM", $server->{pid});
	kill("CONT", $server->{pid});
	is(scalar(grep { $_->reply->{status} == 200 } @clients), 50,
	    "without a master too");
	$server->stop;
};

subtest "14. TERM with 8 requests of 1 s in hand" => sub {
	for my $mode (@modes) {
		my $server = start(mode => $mode, workers => $mode eq "single"
		    ? 8 : 2);
		my @clients = map { my $c = $server->connection;
		    $c->send(request("/sleep?ms=1000")); $c } 1 .. 8;

		sleep 0.3;
		my $begun = time;
		kill("TERM", $server->{pid});
		my @replies = map { $_->reply } @clients;
		is(scalar(grep { $_->{status} == 200 } @replies), 8,
		    "$mode: all are answered");
		is(scalar(grep { ($_->{fields}{connection} // "") eq "close" }
		    @replies), 8, "and told to close");
		is($server->ended(3), 0, "status 0");
		cmp_ok(time - $begun, "<", 3 * slow(), "in under 3 s");
		$server->stop;
	}
};

# Every request that was sent is answered; a new connection may be refused.
subtest "15. TERM while clients use keep-alive" => sub {
	each_way {
		my ($mode, $workers, $name) = @_;
		my $server = start(mode => $mode, workers => $workers);
		my @clients = map { $server->connection } 1 .. 8;
		my $idle = $server->connection;
		my ($good, @bad) = (0);
		my $told = 0;

		$idle->send(request("/hello"));
		$idle->reply;
		for my $round (0 .. 500) {
			kill("TERM", $server->{pid}) if $round == 20;
			$_->send(request("/hello")) for @clients;
			my @on;
			for my $client (@clients) {
				my $reply = $client->reply;
				if ($reply->{status} != 200) {
					push @bad, $reply->{trouble} //
					    $reply->{status};
					next;
				}
				$good++;
				my $ends = ($reply->{fields}{connection} //
				    "") eq "close";
				$told += $ends;
				push @on, $client unless $ends;
			}
			@clients = @on or last;
		}
		my $stopped = time;
		is("@bad", "", "$name: no failure in $good");
		is($told, 8, "each client is told once");
		ok($idle->is_closed(2), "an idle connection ends");
		cmp_ok(time - $stopped, "<", 2 * slow(), "within 2 s");
		is($server->ended(5), 0, "status 0");
		$server->stop;
	};
};

# The head of such a reply is out when TERM comes, and invites to the next.
subtest "15. TERM while a reply is streamed that has not told of the end" =>
    sub {
	each_way {
		my ($mode, $workers, $name) = @_;
		my $server = start(mode => $mode, workers => $workers);
		my $client = $server->connection;

		$client->send(request("/flush?n=10&ms=50"));
		$client->line(time + 10 * slow());
		kill("TERM", $server->{pid});
		ok((wait_for { is_refused($server) } 5), "$name: it stops");
		1 while ($client->line(time + 10 * slow()) // "") ne "";
		like($client->chunks(time + 10 * slow()), qr/^line 9$/m,
		    "the reply ends as it began");
		$client->send(request("/hello"));
		my $reply = $client->reply;
		is($reply->{status}, 200, "one more request is answered");
		is($reply->{fields}{connection}, "close", "and told");
		$server->stop;
	};
};

subtest "16. TERM with a handler of 60 s and --graceful-timeout=1" => sub {
	my (@all, @names);

	each_way {
		my ($mode, $workers, $name) = @_;

		push @names, $name;
		push @all, start(mode => $mode, workers => $workers,
		    args => ["--graceful-timeout=1"], is_cut => 1,
		    quiet => qr/cut off|in a handler|worker|child/);
	};
	my @held = map { held($_, 60000) } @all;
	my $begun = time;
	kill("TERM", map { $_->{pid} } @all);
	for my $i (0 .. $#all) {
		is($all[$i]->ended(3), 0, "$names[$i]: gone, status 0");
		ok($all[$i]->log_like(qr{cut off.*client 127\.0\.0\.1, request "GET /sleep\?ms=60000}, 1),
		    "the log names the request");
		ok((wait_for { !$all[$i]->members } 1), "nobody is left");
	}
	cmp_ok(time - $begun, "<", 3 * slow(), "in 3 s");
};

# So many servers with a handler in hand, each way, told the same.
sub end_all {
	my ($path, $what, $seconds, $tell) = @_;
	my (@all, @names);

	each_way {
		my ($mode, $workers, $name) = @_;

		push @names, $name;
		push @all, start(mode => $mode, workers => $workers,
		    is_cut => 1, quiet => qr/in a handler|cut off|worker/);
	};
	my @clients = map { $_->connection } @all;
	$_->send(request($path)) for @clients;
	sleep 0.3;
	ok(!(grep { !$_->is_quiet(0) } @clients), "handlers run");
	my $begun = $tell->(map { $_->{pid} } @all);
	for my $i (0 .. $#all) {
		is($all[$i]->ended(5), 0, "$names[$i]: $what: 0");
		ok((wait_for { !$all[$i]->members } 2), "nobody is left");
	}
	cmp_ok(time - $begun, "<", $seconds * slow(), "in time");
	return @all;
}

subtest "17. TERM, then INT; INT twice" => sub {
	end_all("/sleep?ms=60000", "TERM, then INT", 2, sub {
		kill("TERM", @_);
		sleep 0.3;
		is(scalar(grep { alive($_) } @_), scalar(@_),
		    "TERM waits for them");
		my $begun = time;
		kill("INT", @_);
		return $begun;
	});
	end_all("/sleep?ms=60000", "INT twice", 0.9, sub {
		my $begun = time;

		kill("INT", @_);
		sleep 0.1;	# two that are pending count as one
		kill("INT", @_);
		return $begun;
	});
	for my $server (end_all("/hang", "INT beside a handler that hangs",
	    2, sub { kill("INT", @_); time })) {
		like(slurp($server->{out}),
		    qr/Keyboard interrupt received, exiting\.\n\z/,
		    "and it says so");
	}
};

subtest "18. TERM to the whole process group" => sub {
	each_way {
		my ($mode, $workers, $name) = @_;

		for my $signal ("TERM", "QUIT") {
			my $server = start(mode => $mode, workers => $workers,
			    args => ["--drain-idle=0.3s"]);
			my $client = held($server, 600);
			my $idle = $server->connection;
			$idle->send(request("/hello"));

			kill($signal, -$server->{pid});
			my $reply = $client->reply;
			is($reply->{status}, 200,
			    "$name: $signal: a request in hand ends");
			is($reply->{fields}{connection}, "close",
			    "and is the last");
			is($idle->reply->{status}, 200,
			    "what was sent is answered");
			$server->stop($signal);
			is($server->err =~ s/^127.*\n//mgr, "",
			    "no death, and no new worker");
		}
		# As a terminal does it.
		my $server = start(mode => $mode, workers => $workers,
		    is_cut => 1);
		my $client = held($server, 30000);
		my $begun = time;
		kill("INT", -$server->{pid});
		is($server->ended(10), 0, "INT to all: status 0");
		cmp_ok(time - $begun, "<", 2.5 * slow(), "at once");
		ok($client->is_closed, "the client is told");
		is(scalar(() = slurp($server->{out}) =~ /exiting/g), 1,
		    "one line");
		$server->stop;
	};
};

# Signals that come when all is done, and it only has to be taken down.
subtest "18. TERM again and again, until it is gone" => sub {
	for my $mode (@modes) {
		my %ends;

		for (1 .. 10) {
			my $server = start(mode => $mode, workers => 0,
			    args => ["--drain-idle=0s"]);
			my $end = time + 10 * slow();

			$server->ask("/hello");
			while (alive($server->{pid}) && time < $end) {
				kill("TERM", $server->{pid});
				sleep 0.00005;
			}
			$ends{$server->ended(5) // "none"}++;
			$server->stop;
		}
		is(join(" ", keys %ends), "0", "$mode: status 0");
	}
};

subtest "19. TERM while one worker is in worker_init" => sub {
	for my $mode (@modes) {
		my $flag = tempdir(CLEANUP => 1) . "/slow";
		my $server = start(program => $supervised, mode => $mode,
		    workers => 2, quiet => qr/worker/,
		    env => { INIT => "slow_if=$flag" });
		my ($victim) = $server->workers_of;

		spew($flag, "");
		kill("KILL", $victim);
		ok((wait_for { $server->err =~ /worker_init is slow/ }),
		    "$mode: the next one is in worker_init");
		my $begun = time;
		kill("TERM", $server->{pid});
		is($server->ended(5), 0, "status 0");
		cmp_ok(time - $begun, "<", 2 * slow(),
		    "it does not wait for that one");
		ok((wait_for { !$server->members } 2), "nobody is left");
		$server->stop;
	}
};

subtest "20. Port is closed in the master too while workers finish" => sub {
	each_way {
		my ($mode, $workers, $name) = @_;
		my $server = start(mode => $mode, workers => $workers);
		my $client = held($server, 1500);

		kill("TERM", $server->{pid});
		ok((wait_for { is_refused($server) } 1),
		    "$name: refused, not left waiting");
		ok(alive($server->{pid}), "while it still serves");
		is($client->reply->{status}, 200, "a request in hand");
		$server->stop;
	};
	# The service manager's own socket is only left.
	my $socket = IO::Socket::INET->new(Listen => 5,
	    LocalAddr => "127.0.0.1");
	my $server = start(workers => 2, bind => [],
	    before => sub { pass_sockets($socket) });
	is($server->ask("/hello")->{status}, 200, "a socket that was passed");
	$server->stop;
	my $client = $server->connection;
	ok($client, "takes connections for the next server");
	$socket->blocking(0);
	ok((wait_for { $socket->accept } 2), "which can be accepted");
};

# Runs a server with a terminal of its own: what it prints, and its end.
package Terminal {
	use Fcntl;
	use constant { TIOCSPTLCK => 0x40045431, TIOCGPTN => 0x80045430,
	    TIOCSCTTY => 0x540e, TIOCSWINSZ => 0x5414,
	    TIOCSPGRP => 0x5410 };

	# With a shell that waits in the foreground, or as the leader.
	sub new {
		my ($class, $before, @command) = @_;
		sysopen(my $master, "/dev/ptmx", O_RDWR | O_NOCTTY)
		    or return undef;
		my $zero = pack("i", 0);
		my $number = pack("i", 0);

		ioctl($master, TIOCSPTLCK, $zero);
		ioctl($master, TIOCGPTN, $number) or return undef;
		my $path = "/dev/pts/" . unpack("i", $number);
		my $pid = fork;
		if ($pid == 0) {
			POSIX::setsid();
			sysopen(my $slave, $path, O_RDWR) or POSIX::_exit(126);
			ioctl($slave, TIOCSCTTY, 0);
			POSIX::dup2(fileno($slave), $_) for 0 .. 2;
			close($master);
			$before->() if $before;
			exec(@command) or POSIX::_exit(127);
		}
		fcntl($master, F_SETFL, O_NONBLOCK);
		return bless { master => $master, pid => $pid, text => "" },
		    $class;
	}

	sub text {
		my $self = shift;

		1 while $self->{master} && sysread($self->{master},
		    $self->{text}, 65536, length $self->{text});
		return $self->{text};
	}

	sub wait_like {
		my ($self, $pattern, $seconds) = @_;

		return Tine::Test::wait_for(sub { $self->text =~ $pattern },
		    $seconds // 10);
	}

	sub wait_end {
		my $self = shift;

		return Tine::Test::wait_for(sub {
			$self->text;
			waitpid($self->{pid}, POSIX::WNOHANG()) ==
			    $self->{pid} }, 6) ? $? : "none";
	}
}

sub terminal {
	my ($before, @args) = @_;

	return Terminal->new($before, program(), "--bind=127.0.0.1:0",
	    "--workers=2", @args);
}

subtest "21. Ctrl-C on a pty; closing the pty" => sub {
	plan skip_all => "no pty can be had" unless -w "/dev/ptmx" &&
	    -d "/dev/pts";
	for my $workers (0, 2) {
		my $terminal = terminal(undef, "--workers=$workers");
		ok($terminal->wait_like(qr/Listening on \S+:(\d+)/),
		    "$workers workers: it serves");
		my @all = children($terminal->{pid});
		syswrite($terminal->{master}, "\cC");
		is($terminal->wait_end, 0, "Ctrl-C: 0");
		like($terminal->text, qr/exiting/, "and says so");
		ok((wait_for { !grep { alive($_) } @all } 2), "nobody is left");

		$terminal = terminal(undef, "--workers=$workers");
		ok($terminal->wait_like(qr/Listening on \S+:(\d+)/),
		    "it serves");
		my ($port) = $terminal->text =~ /:(\d+)\//;
		my $server = bless { port => $port }, "Tine::Test";
		my $client = held($server, 700);
		@all = children($terminal->{pid});
		close(delete $terminal->{master});
		is($client->reply->{status}, 200,
		    "the pty is closed: a request in hand ends");
		is($terminal->wait_end, 0, "a stop, and no reload: 0");
		ok((wait_for { !grep { alive($_) } @all } 2), "nobody is left");
	}
};

subtest "22. Resizing the pty, kill -WINCH" => sub {
	plan skip_all => "no pty can be had" unless -w "/dev/ptmx" &&
	    -d "/dev/pts";
	my $terminal = terminal();
	ok($terminal->wait_like(qr/Listening on \S+:(\d+)/), "it serves");
	my ($port) = $terminal->text =~ /:(\d+)\//;
	my $server = bless { port => $port, pid => $terminal->{pid} },
	    "Tine::Test";
	my @workers = $server->workers_of;
	for my $rows (20 .. 30) {
		my $size = pack("S4", $rows, 80, 0, 0);
		ioctl($terminal->{master}, Terminal::TIOCSWINSZ, $size);
	}
	kill("WINCH", $terminal->{pid}, @workers);
	is($server->ask("/hello")->{status}, 200, "it serves on");
	is(join(" ", $server->workers_of), "@workers", "by the same workers");
	kill("TERM", $terminal->{pid});
	is($terminal->wait_end, 0, "until it is stopped");

	for my $mode (@modes) {
		my $server = start(mode => $mode, workers => 2);
		my @workers = $server->workers_of;

		kill($_, $server->{pid}) for "WINCH", "PIPE";
		kill($_, @workers)
		    for qw(INT HUP USR1 USR2 TTIN TTOU PIPE WINCH);
		is($server->ask("/hello")->{status}, 200,
		    "$mode: signals for others");
		is(join(" ", $server->workers_of), "@workers",
		    "end no worker");
		# The master stands still: its workers serve on.
		kill("STOP", $server->{pid});
		is($server->ask("/hello")->{status}, 200,
		    "served while the master is stopped");
		kill("CONT", $server->{pid});
		$server->stop;
	}
};

subtest "23. Background job with stty tostop" => sub {
	plan skip_all => "no pty can be had" unless -w "/dev/ptmx" &&
	    -d "/dev/pts";
	# Its leader keeps the foreground, so that the server has not got it.
	my $program = program();
	my $terminal = Terminal->new(undef, "bash", "-c", "stty tostop; " .
	    "set -m; $program --bind=127.0.0.1:0 --workers=2 2>&1 & " .
	    "echo started; wait");
	ok($terminal->wait_like(qr/started/), "started in the background");
	my $master;
	ok((wait_for { ($master) = grep { (readlink("/proc/$_/exe") // "") =~
	    /target/ && 2 <= children($_) } children($terminal->{pid}) }),
	    "it runs with its workers");
	# Its own first words are as a shell has them for any job.
	wait_for { $terminal->text =~ /Listening/ ||
	    slurp("/proc/$master/stat") =~ /\) T / } 5;
	my ($port) = $terminal->text =~ /:(\d+)\//;
	ok($port, "it says where") or return;
	my $server = bless { port => $port, pid => $master }, "Tine::Test";
	my @workers = $server->workers_of;
	$server->ask("/hello?n=$_") for 1 .. 20;
	ok($terminal->wait_like(qr/\?n=20/), "it logs to the terminal");
	kill("TTIN", 0 + $_) for @workers;
	is(join(" ", $server->workers_of), "@workers",
	    "no change in the number of workers");
	ok(!(grep { slurp("/proc/$_/stat") =~ /\) T / } $master, @workers),
	    "nobody is stopped");
	kill("TERM", $master);
	is($terminal->wait_end, 0, "it ends");
};
done_testing;
