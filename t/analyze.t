# Static analysis has nothing to say; what is left out of it is explained in
# .clang-tidy, in t/analyze, or in place.
use strict;
use warnings;
use Test::More;
use Tine::Test;

plan skip_all => "once is enough" if ($ENV{TINE_SANITIZER} // "no") ne "no";
for my $tool (qw(cppcheck clang-tidy)) {
	SKIP: {
		my ($is_there) = run_command("sh", "-c", "command -v $tool");

		skip("there is no $tool", 1) if $is_there != 0;
		my ($status, $text) = run_command(source("t/analyze"), $tool);
		is($status, 0, $tool) or diag(tail_of($text, 4000));
	}
}
done_testing;
