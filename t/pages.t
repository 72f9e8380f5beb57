# The pages: clean mdoc, every name and every option in its page, and the
# examples compile.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use Tine::Test;

my @pages = glob(source("man/*.[0-9]"));
my $dir = tempdir(CLEANUP => 1);
my $cc = $ENV{CC} // "cc";
my %named;

for my $page (@pages) {
	my ($name) = $page =~ m{([^/]+)$};
	my $text = slurp($page);
	my ($status, $lint) = run_command("mandoc", "-T", "lint", "-W",
	    "warning", $page);

	is($lint, "", "$name is clean");
	$named{$_} = 1 for $text =~ /^\.Nm (\w+)/mg;
	my $count = 0;
	while ($text =~ /^\.Bd -literal\n(#include.*?)^\.Ed/msg) {
		my $program = $1;

		$program =~ s/\\e/\\/g;
		$program =~ s/\\&//g;
		open(my $out, ">", "$dir/example.c") or die;
		print $out $program;
		close($out);
		my ($failed, $why) = run_command($cc, "-Wall", "-Wextra",
		    "-Werror", "-I" . source("lib"), "-c", "-o",
		    "$dir/example.o", "$dir/example.c");
		is($failed, 0, "$name: example " . ++$count . " compiles")
		    or diag($why);
	}
}
my $header = slurp(source("lib/tine.h"));
$header =~ s{/\*.*?\*/}{}gs;
for my $name (sort { $a cmp $b } do { my %s; grep { !$s{$_}++ }
    $header =~ /\b(tine_\w+)\s*\((?![\s*]*\*\s*\))/g }) {
	ok($named{$name}, "$name has a page");
}
my ($status, $help) = run_command(build("bin/tine"), "--help");
my $page = slurp(source("man/tine.1"));
for my $option ($help =~ /^  --([\w-]+)/mg) {
	like($page, qr/^\.It Fl -\Q$option\E\b/m, "--$option is in tine(1)");
}
done_testing;
