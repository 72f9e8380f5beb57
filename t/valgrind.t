# What a master does in its life, under valgrind: a crash, a death, a reload,
# an upgrade, an end, in each mode; see t/valgrind, which runs it.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use Tine::Test;

plan skip_all => "make check-valgrind" unless $ENV{TINE_VALGRIND};

my $dir = tempdir(CLEANUP => 1);

# The processes that have clients or children, all of them there.
sub all_there {
	my ($server, $count) = @_;
	return wait_for { $server->workers_of == $count } 20;
}

for my $mode (@modes) {
	my $program = variant(binary("t/target"), "$dir/$mode", "first");
	my $server = start(program => $program, mode => $mode, workers => 2,
	    quiet => qr/in a handler|worker \d|child \d+ ended/,
	    args => ["--log=$dir/requests.$mode"]);
	my @keep = $server->idle_clients(4);

	is(scalar @keep, 4, "$mode: idle clients");
	is($server->ask("/crash?how=null")->{status}, 500, "a crash is a 500");
	ok($server->log_like(qr/signal 11/, 20), "which the log has");
	ok(all_there($server, 2), "and all workers are there");
	kill("KILL", ($server->workers_of)[0]);
	ok($server->log_like(qr/died: signal 9/, 20), "a death");
	ok(all_there($server, 2), "and all workers are there");
	@keep = $server->idle_clients(4);
	ok($server->tell("HUP", qr/reloaded: 2 workers/, 30), "a reload");
	is($server->still_answered(@keep), 4, "is not noticed");
	variant(binary("t/target"), $program, "other");
	ok($server->tell("USR2", qr/reloaded: 2 workers/, 30), "an upgrade");
	is($server->still_answered(@keep), 4, "is not noticed either");
	is($server->ask("/hello")->{body}, "Hello, other!",
	    "the new one answers");
	$server->stop;
}
done_testing;
