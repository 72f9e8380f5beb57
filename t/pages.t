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
for my $struct (qw(tine_request tine_hooks tine_http_handler tine_form_field
    tine_form_limits tine_form_reader tine_stream tine_stream_handler
    tine_datagram tine_datagram_handler)) {
	my ($members) = $header =~ /^struct $struct \{\n(.*?)^\};/ms;
	my $text = slurp(source("man/tine_" . ($struct =~ /form/ ? "form"
	    : $struct =~ /request/ ? "request" : $struct =~ /(stream|datagram)/
	    ? "$1_server" : "server") . ".3"));

	for my $member ($members =~ /(?:\(\*|[\s*])(\w+)(?:\)\(.*?\))?;/gs) {
		like($text, qr/^\.(?:It )?Fa (?:\w+ , |\\\n)*$member\b/m,
		    "$struct: $member");
	}
}
SKIP: {
	my $cxx = $ENV{CXX} // "c++";

	skip "no $cxx", 1 if (run_command($cxx, "--version"))[0] != 0;
	spew("$dir/module.cc", "#include <tine.h>\n" .
	    "static void get(tine_request *req) { tine_puts(req, \"\"); }\n" .
	    "const tine_http_handler tine_http = { get };\n");
	my ($failed, $why) = run_command($cxx, "-Wall", "-Werror",
	    "-I" . source("lib"), "-shared", "-fPIC", "-o", "$dir/module.so",
	    "$dir/module.cc");
	is($failed, 0, "the header is one of C++, too") or diag($why);
	is((run_command(build("bin/tine"), "--test", "$dir/module.so"))[0], 0,
	    "and makes a module");
}
my ($status, $help) = run_command(build("bin/tine"), "--help");
my $page = slurp(source("man/tine.1"));
for my $option ($help =~ /^  --([\w-]+)/mg) {
	like($page, qr/^\.It Fl -\Q$option\E\b/m, "--$option is in tine(1)");
}
done_testing;
