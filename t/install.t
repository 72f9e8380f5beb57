# What is installed is enough to build a program with pkg-config alone.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);
my ($status, $text) = run_command("make", "-s", "-C", build(""), "install",
    "DESTDIR=$dir");
is($status, 0, "make install") or diag(tail_of($text));
my ($pc) = split /\n/, (run_command("find", $dir, "-name", "tine.pc"))[1];
ok($pc, "tine.pc is there") or BAIL_OUT("nothing installed");
my ($libraries) = $pc =~ m{^(.*)/pkgconfig/};
open(my $out, ">", "$dir/hello.c");
print $out <<'END';
#include <tine.h>
static void
get(struct tine_request *req)
{
	tine_puts(req, "hello");
}
const struct tine_http_handler tine_http = { .do_GET = get };
int
main(int argc, char *argv[])
{
	return tine_main(argc, argv, &tine_http);
}
END
close($out);
$ENV{PKG_CONFIG_PATH} = "$libraries/pkgconfig";
$ENV{PKG_CONFIG_SYSROOT_DIR} = $dir;
my $cc = $ENV{CC} // "cc";
my $flags = ($ENV{TINE_SANITIZER} // "no") eq "no" ? ""
    : "-fsanitize=$ENV{TINE_SANITIZER}";
($status, $text) = run_command("sh", "-c",
    "$cc $flags -Wall -Wextra -Werror -o $dir/hello $dir/hello.c " .
    "\$(pkg-config --cflags --libs tine)");
is($status, 0, "a program is built") or diag($text);
my %env = (LD_LIBRARY_PATH => $libraries);
my $server = start(program => "$dir/hello", env => \%env);
is($server->ask("/")->{body}, "hello", "and serves");
$server->stop;

# A module needs no library, and may have it: the command's is used.
my ($tine) = split /\n/, (run_command("find", $dir, "-path", "*/bin/tine"))[1];
my %linked = ("without the library" => "--cflags",
    "with the library" => "--cflags --libs");
for my $how (sort { $a cmp $b } keys %linked) {
	($status, $text) = run_command("sh", "-c",
	    "$cc $flags -shared -fPIC -o $dir/hello.so $dir/hello.c " .
	    "\$(pkg-config $linked{$how} tine)");
	is($status, 0, "a module is built $how") or diag($text);
	for my $mode (@modes) {
		$server = start(program => $tine, mode => $mode,
		    args => ["$dir/hello.so"], env => \%env);
		is($server->ask("/")->{body}, "hello", "and serves, $mode");
		$server->stop;
	}
}
done_testing;
