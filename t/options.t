# Options, exit statuses and their sentences.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;
use Tine::Test;

my $tine = build("bin/tine");
my $module = build("t/target.so");
my $dir = tempdir(CLEANUP => 1);

sub fails {
	my ($status, $pattern, @args) = @_;
	my ($got, $text) = run_command("timeout", 30, $tine, @args);

	is($got, $status, "@args");
	like($text, $pattern, "says why");
	is(scalar(() = $text =~ /\n/g), 1, "in one line") if $status == 64;
}

fails(64, qr/no option --nonsense/, "--nonsense", $module);
fails(64, qr/--workers=x: .*number/, "--workers=x", $module);
fails(64, qr/--workers=-1: /, "--workers=-1", $module);
fails(64, qr/--workers=1025: .*too large/, "--workers=1025", $module);
fails(64, qr/--mode=forks: .*single, thread or fork/, "--mode=forks",
    $module);
fails(64, qr/--keep-alive=5x: .*is no time/, "--keep-alive=5x", $module);
fails(64, qr/--keep-alive=: an empty value/, "--keep-alive=", $module);
fails(64, qr/--max-body=1Q: .*is no size/, "--max-body=1Q", $module);
fails(64, qr/--max-head=100: .*out of range/, "--max-head=100", $module);
fails(64, qr/--bind=localhost:99999: .*port/, "--bind=localhost:99999",
    $module);
fails(64, qr/--bind=::1:80: .*brackets/, "--bind=::1:80", $module);
fails(64, qr/--bind=\[::1\]: a port is missing/, "--bind=[::1]", $module);
fails(64, qr/--bind=localhost: a port is missing/, "--bind=localhost",
    $module);
fails(64, qr/--bind=udp:.*: this server does not serve datagrams/, "--bind=udp:localhost:53", $module);
fails(64, qr/--max-fields=129: .*from 1 to 128/, "--max-fields=129", $module);
fails(64, qr/--daemon=1: --daemon takes no value/, "--daemon=1", $module);
{
	local $ENV{WEB_CONCURRENCY} = "many";

	fails(64, qr/^tine: WEB_CONCURRENCY=many: .*number/, $module);
	is((run_command($tine, "--test", "--workers=2", $module))[0], 0,
	    "it does not count with --workers");
}
spew("$dir/conf", "workers 2\nlog a\0b\n");
fails(78, qr/conf:2: there is a NUL byte/, "--config=$dir/conf", $module);
spew("$dir/broken.so", "no object");
fails(78, qr/\/broken\.so: file too short$/m, "--workers=0",
    "--bind=localhost:0", "$dir/broken.so");
fails(64, qr/--bind needs a value/, "--bind");
fails(64, qr/an argument too many: more/, $module, "more");
fails(66, qr/missing\.so: No such file/, "$dir/missing.so");
fails(66, qr/missing: No such file/, "--directory=$dir/missing");
fails(66, qr/missing: No such file/, "--directory=$dir/missing", $module);
fails(66, qr/neither a directory nor/, "/dev/null");

subtest "85. Every option and tine.conf line; --test" => sub {
	my ($shown, $help) = run_command($tine, "--help");
	my %values = (N => ["x", "", "1x", "-5", "0x10",
	    "99999999999999999999"], TIME => ["x", "", "1d", "-1", "1e3",
	    "0.5ms"],
	    SIZE => ["x", "", "1X", "-1", "K"], MODE => ["x", ""],
	    NAME => ["x", ""], TYPE => ["x", "", "x/", "a/b\tc"],
	    ADDRESS => ["", "x:y"], FILE => [""], TEXT => ["", "a\tb"],
	    DIR => [""], PATH => [""], USER => [""], GROUP => [""], on => ["x", ""],
	    A => ["x", "", "2", "8-2", "2-", "-"],
	    LIST => ["x", "", "10.0.0.1/8", "::1,", "10.0.0.0/33"]);
	my $options = 0;

	while ($help =~ /^  --([\w-]+)(?:=(\w+))?/mg) {
		my ($name, $kind) = ($1, $2);
		my $of_command = $name =~ /^(config|test|help|version)$/;

		$options++;
		ok($values{$kind // "N"}, "--$name: a kind that is known");
		for my $value ($kind ? @{$values{$kind} // []} : ("x")) {
			my ($status, $text) = run_command("timeout", 30,
			    $tine, "--$name=$value", $module);
			is($status, 64, "--$name=$value");
			like($text, $kind
			    ? qr/^tine: --\Q$name=$value\E: \S[^\n]+\n\z/
			    : qr/^tine: [^\n]+\n\z/,
			    "one sentence with name, value and reason");

			spew("$dir/conf", "# a comment\n$name = $value\n");
			($status, $text) = run_command("timeout", 30, $tine,
			    "--config=$dir/conf", $module);
			is($status, 78, "the same in a file");
			like($text, $kind && !$of_command
			    ? qr/^tine: \S+\/conf:2: --\Q$name=$value\E: \S[^\n]+\n\z/
			    : qr/^tine: \S+\/conf:2: .*\Q$name\E[^\n]+\n\z/,
			    "with its line");
		}
	}
	cmp_ok($options, ">=", 30, "--help shows $options options");
	spew("$dir/conf", "\nnonsense 1\n");
	my ($status, $text) = run_command($tine, "--config=$dir/conf",
	    $module);
	is($status, 78, "an option that is not there");
	like($text, qr/conf:2: there is no option --nonsense/, "named");

	my $taken = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    Listen => 1);
	($status, $text) = run_command($tine, "--test",
	    "--bind=127.0.0.1:" . $taken->sockport,
	    "--bind=unix:$dir/test.sock", "--pidfile=$dir/test.pid",
	    "--log=$dir/test.log", "--error-log=$dir/test.err", $module);
	is($status, 0, "--test: the port is taken, and yet all is well");
	like($text, qr/are good/, "says so");
	is(join(" ", glob("$dir/test.*")), "",
	    "no socket, pidfile or log was made");
};

my $taken = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1);
my $port = $taken->sockport;
fails(69, qr/cannot listen on 127\.0\.0\.1:$port: Address already in use/,
    "--bind=127.0.0.1:$port", $module);
fails(73, qr/cannot open the log/, "--bind=127.0.0.1:0",
    "--log=$dir/no/log", $module);
fails(73, qr/cannot write the pidfile/, "--bind=127.0.0.1:0",
    "--pidfile=$dir/no/pid", $module);

# What was asked for goes to standard output, a complaint to the other.
is((run_command("sh", "-c", "$tine --help 2>&1 >/dev/null"))[1], "",
    "--help is no complaint");
is((run_command("sh", "-c", "$tine --nonsense 2>/dev/null"))[1], "",
    "a complaint is no output");
is((run_command("sh", "-c", "timeout 30 $tine --bind=127.0.0.1:$port " .
    "$module 2>/dev/null"))[1], "", "nor is there a banner with it");

for my $program ($tine, program()) {
	my ($status, $text) = run_command($program, "--help");
	is($status, 0, "--help");
	like($text, qr/--workers=N .*processes/, "shows the options");
	($status, $text) = run_command($program, "--version");
	is("$status $text", "0 tine 0.1.0\n", "--version");
}

done_testing;
