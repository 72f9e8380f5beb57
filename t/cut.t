# A reply that ends early does not look whole: curl sees an error.
use strict;
use warnings;
use Test::More;
use Tine::Test;

each_mode {
	my ($mode, $workers) = @_;

	for my $protocol ("--http1.1", "--http1.0") {
		my $server = start(mode => $mode, workers => $workers,
		    quiet => qr/died|serving|child \d+ ended/);
		my $url = "http://127.0.0.1:$server->{port}";
		my ($status) = run_command("curl", "-s", "-o", "/dev/null",
		    $protocol, "--max-time", 20,
		    "$url/crash-half?bytes=100000&signal=9");
		cmp_ok($status, ">", 0, "$protocol: curl exits $status");
		isnt($status, 28, "at once");
		$server->stop if $mode eq "fork";
		$server->ended(0.1), kill("TERM", $server->{pid})
		    if $mode ne "fork";
	}
} workers => [1];
done_testing;
