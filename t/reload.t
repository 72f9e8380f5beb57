# Reload, recycling, resizing and upgrade, under load: no request fails, and
# no connection that is idle is closed.
use strict;
use warnings;
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use IO::Select;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);
my $noise = qr/worker \d|reload|in a row/;

# A load for as long as code runs: keep-alive connections and new ones.
# Returns how many requests were answered, and how many were not.
sub under_load {
	my ($server, $code) = @_;
	pipe(my $in, my $out) or die;
	# A signal would make a wait for a reply look like a deadline.
	pipe(my $goes_on, my $stop) or die;
	my $pid = fork // die;
	if ($pid == 0) {
		my @clients = map { $server->connection } 1 .. 8;
		my ($good, $bad) = (0, 0);
		close($stop);
		while (!IO::Select->new($goes_on)->can_read(0)) {
			my @new = map { $server->connection } 1 .. 4;
			$_ && $_->send(request("/hello", close => 1)) for @new;
			$_->send(request("/hello")) for @clients;
			for my $client (@clients, @new) {
				my $reply = $client ? $client->reply("GET", 10)
				    : { status => 0 };
				$reply->{status} == 200 ? $good++ : $bad++;
				print STDERR "# $reply->{trouble}\n"
				    if $reply->{status} != 200;
			}
			sleep 0.001;
		}
		print $out "$good $bad\n";
		close($out);
		POSIX::_exit(0);
	}
	close($out);
	$code->();
	close($stop);
	my ($good, $bad) = split / /, <$in> // "0 1";
	waitpid($pid, 0);
	return ($good, $bad + 0);
}

sub signal_and_wait {
	my ($server, $signal, $pattern) = @_;
	my $count = () = $server->err =~ /$pattern/g;

	kill($signal, $server->{pid});
	return wait_for { (() = $server->err =~ /$pattern/g) > $count } 20;
}

for my $mode (@modes) {
	my $module = "$dir/$mode.so";
	copy(build("t/target.so"), $module) or die;
	my $server = start(program => build("bin/tine"), mode => $mode,
	    workers => 4, args => [$module, "--keep-alive=60"],
	    quiet => $noise);
	my @idle = map { my $c = $server->connection;
	    $c->send(request("/hello")); $c->reply; $c } 1 .. 50;
	my @before = $server->workers_of;
	my $reloads = 0;
	my ($good, $bad) = under_load($server, sub {
		for (1 .. 5) {
			$reloads++ if signal_and_wait($server, "HUP",
			    qr/reloaded: 4 workers/);
		}
	});
	is($reloads, 5, "$mode: five reloads");
	is($bad, 0, "of $good requests under load none fails");
	my %now = map { $_ => 1 } $server->workers_of;
	ok((wait_for { $server->workers_of == 4 } 5), "four workers");
	is(scalar(grep { $now{$_} } @before), 0, "none of the old");
	$_->send(request("/hello")) for @idle;
	is(scalar(grep { $_->reply->{status} == 200 } @idle), 50,
	    "idle connections have outlived them");

	# A module that cannot be loaded leaves all as it was.
	unlink($module);
	open(my $broken, ">", $module) or die;
	print $broken "no module\n";
	close($broken);
	ok(signal_and_wait($server, "HUP", qr/reload failed: \S+/),
	    "a broken module: refused");
	my ($victim) = $server->workers_of;
	kill("KILL", $victim);
	ok((wait_for { !alive($victim) && $server->workers_of == 4 } 5),
	    "a worker that dies is replaced");
	is($server->ask("/hello")->{status}, 200, "by what worked");
	copy(build("t/target.so"), $module) or die;
	ok(signal_and_wait($server, "HUP", qr/reloaded/), "mended: reloaded");

	# More, and fewer.
	($good, $bad) = under_load($server, sub {
		kill("TTIN", $server->{pid}), sleep 0.2 for 1 .. 3;
		ok((wait_for { $server->workers_of == 7 } 5), "TTIN x 3: 7");
		kill("TTOU", $server->{pid}), sleep 0.2 for 1 .. 8;
		ok((wait_for { $server->workers_of == 1 } 10), "TTOU: 1");
		ok(signal_and_wait($server, "HUP", qr/reloaded/), "HUP");
		ok((wait_for { $server->workers_of == 4 } 10), "4 again");
	});
	is($bad, 0, "of $good requests none fails");
	$server->stop;

	# Recycling.
	$server = start(mode => $mode, workers => 4, quiet => $noise,
	    args => ["--max-requests=200"]);
	@before = $server->workers_of;
	my %pids;
	($good, $bad) = under_load($server, sub {
		my $end = time + 4;
		my $least = 4;
		while (time < $end) {
			my @workers = $server->workers_of;
			# One look may miss a new one that came behind it.
			@workers = $server->workers_of if @workers < 4;
			$pids{$_}++ for @workers;
			$least = @workers if @workers < $least;
			sleep 0.01;
		}
		is($least, 4, "$mode: --max-requests: never under 4");
	});
	is($bad, 0, "of $good requests none fails");
	cmp_ok(scalar keys %pids, ">", 8, "workers were replaced");
	$server->stop;

	# Upgrade.
	my $program = "$dir/tine-$mode";
	copy(build("bin/.libs/tine"), $program) or
	    copy(build("bin/tine"), $program);
	chmod(0755, $program);
	$server = start(program => $program, mode => $mode, workers => 4,
	    args => [$module], quiet => qr/$noise|upgrade/,
	    env => { LD_LIBRARY_PATH => build(".libs") });
	@idle = map { my $c = $server->connection;
	    $c->send(request("/hello")); $c->reply; $c } 1 .. 50;
	my $descriptors = descriptors_of($server->{pid});
	my $upgrades = 0;
	($good, $bad) = under_load($server, sub {
		for (1 .. 3) {
			$upgrades++ if signal_and_wait($server, "USR2",
			    qr/reloaded: 4 workers/);
		}
	});
	is($upgrades, 3, "$mode: three upgrades");
	is($bad, 0, "of $good requests none fails");
	$_->send(request("/hello")) for @idle;
	is(scalar(grep { $_->reply->{status} == 200 } @idle), 50,
	    "idle connections have outlived them");
	ok((wait_for { $server->workers_of == 4 &&
	    descriptors_of($server->{pid}) == $descriptors } 5),
	    "no descriptor is left over");
	rename($program, "$program.good");
	ok(signal_and_wait($server, "USR2", qr/no upgrade: \S+/),
	    "a program that is not there is refused");
	open($broken, ">", $program) or die;
	print $broken "#!/bin/sh\necho broken >&2\nexit 3\n";
	close($broken);
	chmod(0755, $program);
	ok(signal_and_wait($server, "USR2", qr/no upgrade: .*broken/),
	    "one that fails, with its words");
	is($server->ask("/hello")->{status}, 200, "it serves on");
	rename("$program.good", $program);
	ok(signal_and_wait($server, "USR2", qr/reloaded: 4 workers/),
	    "a good one is taken then");
	$server->stop;
}
done_testing;
