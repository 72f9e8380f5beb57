# Reload and upgrade, under load: no request fails, and
# no connection that is idle is closed.
use strict;
use warnings;
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use Test::More;
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);
my $noise = qr/worker \d|reload|in a row/;

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
			$reloads++ if $server->tell("HUP",
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
	ok($server->tell("HUP", qr/reload failed: \S+/),
	    "a broken module: refused");
	my ($victim) = $server->workers_of;
	kill("KILL", $victim);
	ok((wait_for { !alive($victim) && $server->workers_of == 4 } 5),
	    "a worker that dies is replaced");
	is($server->ask("/hello")->{status}, 200, "by what worked");
	copy(build("t/target.so"), $module) or die;
	ok($server->tell("HUP", qr/reloaded/), "mended: reloaded");

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
			$upgrades++ if $server->tell("USR2",
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
	ok($server->tell("USR2", qr/no upgrade: \S+/),
	    "a program that is not there is refused");
	open($broken, ">", $program) or die;
	print $broken "#!/bin/sh\necho broken >&2\nexit 3\n";
	close($broken);
	chmod(0755, $program);
	ok($server->tell("USR2", qr/no upgrade: .*broken/),
	    "one that fails, with its words");
	is($server->ask("/hello")->{status}, 200, "it serves on");
	rename("$program.good", $program);
	ok($server->tell("USR2", qr/reloaded: 4 workers/),
	    "a good one is taken then");
	$server->stop;
}
done_testing;
