# The HTTP cases of t/vectors, against a real server.  Those of t/vectors/given
# came first; the others are of kinds that are not among them.  `t/vectors/run
# HOST PORT t/vectors/*.toml` asks another server.
use strict;
use warnings;
use Test::More;
use Tine::Test;

my @files = map { glob(source($_)) } "t/vectors/given/*.toml",
    "t/vectors/*.toml";

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 2,
	    args => ["--max-connections=1000"]);
	my ($status, $text) = run_command("python3", source("t/vectors/run"),
	    (slow() == 1 ? () : ("--deadline", 15)),
	    "127.0.0.1", $server->{port}, @files);
	my ($passed, $failed) = $text =~ /^(\d+) passed, (\d+) failed/m;

	ok($status == 0 && ($failed // 1) == 0 && $passed >= 1268,
	    "$mode: " . ($passed // 0) . " vectors") or diag(tail_of($text, 4000));
	$server->stop;
}
done_testing;
