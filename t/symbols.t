# The library's face: what tine.h declares, and nothing else.
use strict;
use warnings;
use Test::More;
use Tine::Test;

my $library = build(".libs/libtine.so");
plan skip_all => "no shared library" unless -e $library;
my ($status, $text) = run_command("nm", "-D", "--defined-only", $library);
# mangle_path is gcov's, when coverage is measured.
my @odd = grep { !/^(tine_|__\w|_init$|_fini$|_?end$|_edata$|__bss_start$)/ &&
    $_ ne "mangle_path" }
    $text =~ /^\S+ [TDBRVWi] (\w+)/mg;
my %exported = map { $_ => 1 } $text =~ /^\S+ [TDBRVW] (tine_\w+)/mg;
my @data = (slurp(source("lib/tine.h")) =~ /^extern const struct \w+ (\w+);/mg);
my $header = slurp(source("lib/tine.h"));
$header =~ s{/\*.*?\*/}{}gs;
$header =~ s{^#define.*?(?<!\\)\n}{}gms;
my %declared = map { $_ => 1 }
    $header =~ /\b(tine_\w+)\s*\((?![\s*]*\*\s*\))/g;
$declared{$_} = 1 for @data;
delete $declared{$_} for grep { /^tine_(abi|http|stream|datagram)$/ } keys %declared;

SKIP: {
	skip "a sanitizer adds its own", 1
	    if ($ENV{TINE_SANITIZER} // "no") ne "no";
	is_deeply(\@odd, [], "only tine_* is exported");
}
is_deeply([sort keys %exported], [sort keys %declared],
    "all that is declared, no more");
done_testing;
