# A little fuzzing in each run, of each target: the corpus, and two seconds of
# what chance makes of it.  "make fuzz" does it for longer.
use strict;
use warnings;
use Test::More;
use Tine::Test;

my $seed = $ENV{TINE_SEED} // time;
my $seconds = $ENV{TINE_FUZZ_SECONDS} // 2;

for my $program (sort { $a cmp $b } glob(build("t/fuzz/run_*"))) {
	next unless $program =~ m{/run_([a-z_]+)$} && -x $program;
	(my $corpus = $1) =~ tr/_/-/;
	my ($status, $text) = run_command("timeout", $seconds * 4 + 60,
	    $program, $seconds, $seed, source("t/fuzz/corpus/$corpus"));

	is($status, 0, "$corpus, seed $seed") or diag(tail_of($text));
	my ($runs) = $text =~ /^(\d+)$/m;
	cmp_ok($runs // 0, ">", 100, ($runs // "no") . " inputs");
}
done_testing;
