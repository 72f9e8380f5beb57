# The HTTP cases of t/vectors/files, against a directory of the files that they
# are about.  `t/vectors/run --no-echo HOST PORT t/vectors/files/*.toml` asks
# another server that has them.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use Tine::Test;

my $root = tempdir(CLEANUP => 1);

sub put {
	my ($name, $bytes) = @_;

	open(my $out, ">", "$root/$name") or die "$name: $!";
	print $out $bytes;
	close($out);
	# Sun, 06 Nov 1994 08:49:37 GMT
	utime(784111777, 784111777, "$root/$name");
}

mkdir "$root/$_" for "dir", "index";
put("a.txt", "0123456789" x 10);
put("big.txt", "0123456789" x 1000);
put("empty.txt", "");
put("index/index.html", "<p>index\n");
put("dir/b.txt", "b\n");

for my $mode (@modes) {
	my $server = start(program => build("bin/tine"), mode => $mode,
	    workers => 2, args => [is_traced() ? "--no-sandbox" : (), $root]);
	my ($status, $text) = run_command("python3", source("t/vectors/run"),
	    "--no-echo", (slow() == 1 ? () : ("--deadline", 15)),
	    "127.0.0.1", $server->{port},
	    glob(source("t/vectors/files/*.toml")));
	my ($passed, $failed) = $text =~ /^(\d+) passed, (\d+) failed/m;

	ok($status == 0 && ($failed // 1) == 0 && $passed >= 211,
	    "$mode: " . ($passed // 0) . " vectors") or diag($text);
	$server->stop;
}
done_testing;
