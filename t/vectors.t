# The HTTP cases of t/vectors, against a real server.
use strict;
use warnings;
use Test::More;
use Tine::Test;

my @files = glob(source("t/vectors/*/*.toml"));

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 2,
	    args => ["--max-connections=1000"]);
	my ($status, $text) = run_command("python3", source("t/vectors/run"),
	    (slow() == 1 ? () : ("--deadline", 15)),
	    "127.0.0.1", $server->{port}, @files);
	my ($passed, $failed) = $text =~ /^(\d+) passed, (\d+) failed/m;

	ok($status == 0 && ($failed // 1) == 0 && $passed >= 240,
	    "$mode: " . ($passed // 0) . " vectors") or diag(tail_of($text, 4000));
	$server->stop;
}
done_testing;
