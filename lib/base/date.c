/* SPDX-License-Identifier: ISC */
/*
 * See date.h.
 */
#include <string.h>

#include "date.h"

static const char days[7][10] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
	"Saturday"
};
static const char months[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
	"Nov", "Dec"
};

static char *
put_two(char *out, int number)
{
	*out++ = (char)('0' + number / 10 % 10);
	*out++ = (char)('0' + number % 10);
	return out;
}

static char *
put_four(char *out, int number)
{
	return put_two(put_two(out, number / 100), number % 100);
}

static char *
put_text(char *out, const char *text, size_t length)
{
	memcpy(out, text, length);
	return out + length;
}

static char *
put_clock(char *out, const struct tm *tm)
{
	out = put_two(out, tm->tm_hour);
	*out++ = ':';
	out = put_two(out, tm->tm_min);
	*out++ = ':';
	return put_two(out, tm->tm_sec);
}

/*
 * gmtime_r(3) for the years 1970 to 9999.  The library's has a lock and reads
 * the local time zone first, which each child of mode fork would do anew.
 * Years begin in March here, so that the odd day of a leap year is the last.
 */
static void
civil(struct tm *tm, time_t when)
{
	const int second = (int)(when % 86400);
	const int past = (int)(when / 86400);	/* days since 1970 */
	const int day = past + 719468;		/* since 1 March of year 0 */
	const int era = day / 146097;		/* of 400 years */
	const int of_era = day % 146097;
	const int year = (of_era - of_era / 1460 + of_era / 36524 -
	    of_era / 146096) / 365;
	const int of_year = of_era - (year * 365 + year / 4 - year / 100);
	const int month = (of_year * 5 + 2) / 153;

	tm->tm_sec = second % 60;
	tm->tm_min = second / 60 % 60;
	tm->tm_hour = second / 3600;
	tm->tm_wday = (past + 4) % 7;		/* the first was a Thursday */
	tm->tm_mday = of_year - (month * 153 + 2) / 5 + 1;
	tm->tm_mon = (month + 2) % 12;
	tm->tm_year = era * 400 + year + (month >= 10) - 1900;
}

void
date_http(char out[30], time_t when)
{
	const time_t last = (time_t)253402300799;	/* the year 9999 */
	struct tm tm;

	if (when < 0)
		when = 0;
	if (when > last)
		when = last;
	civil(&tm, when);
	out = put_text(out, days[tm.tm_wday], 3);
	out = put_text(out, ", ", 2);
	out = put_two(out, tm.tm_mday);
	*out++ = ' ';
	out = put_text(out, months[tm.tm_mon], 3);
	*out++ = ' ';
	out = put_four(out, tm.tm_year + 1900);
	*out++ = ' ';
	out = put_clock(out, &tm);
	(void)put_text(out, " GMT", 5);
}

void
date_log(char out[21], time_t when)
{
	struct tm tm;

	if (localtime_r(&when, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	out = put_two(out, tm.tm_mday);
	*out++ = '/';
	out = put_text(out, months[tm.tm_mon], 3);
	*out++ = '/';
	out = put_four(out, tm.tm_year + 1900);
	*out++ = ' ';
	out = put_clock(out, &tm);
	*out = '\0';
}

/* --------------------------------------------------------------- reading */

/* A text that is read from its front; ok is false after a failure. */
struct reader {
	const char	*at, *end;
	bool		 ok;
};

static void
want(struct reader *in, const char *text)
{
	const size_t length = strlen(text);

	if (!in->ok || (size_t)(in->end - in->at) < length ||
	    memcmp(in->at, text, length) != 0) {
		in->ok = false;
		return;
	}
	in->at += length;
}

static int
number(struct reader *in, int digits)
{
	int sum = 0;

	for (int i = 0; i < digits; i++) {
		if (!in->ok || in->at == in->end || *in->at < '0' ||
		    *in->at > '9') {
			in->ok = false;
			return 0;
		}
		sum = sum * 10 + (*in->at++ - '0');
	}
	return sum;
}

static int
month(struct reader *in)
{
	for (int i = 0; i < 12; i++) {
		if (in->ok && in->end - in->at >= 3 &&
		    memcmp(in->at, months[i], 3) == 0) {
			in->at += 3;
			return i;
		}
	}
	in->ok = false;
	return 0;
}

static void
hours(struct reader *in, struct tm *tm)
{
	tm->tm_hour = number(in, 2);
	want(in, ":");
	tm->tm_min = number(in, 2);
	want(in, ":");
	tm->tm_sec = number(in, 2);
}

static void
zone(struct reader *in)
{
	if (in->end - in->at == 6)
		want(in, " -0000");
	else
		want(in, " GMT");
}

/* ", 06 Nov 1994 08:49:37 GMT" */
static void
read_imf(struct reader *in, struct tm *tm)
{
	want(in, ", ");
	tm->tm_mday = number(in, 2);
	want(in, " ");
	tm->tm_mon = month(in);
	want(in, " ");
	tm->tm_year = number(in, 4) - 1900;
	want(in, " ");
	hours(in, tm);
	zone(in);
}

/* Whether it is over 50 years later than now. */
static bool
is_far(const struct tm *tm, const struct tm *now)
{
	const int a[] = { tm->tm_year - 50, tm->tm_mon, tm->tm_mday,
	    tm->tm_hour, tm->tm_min, tm->tm_sec };
	const int b[] = { now->tm_year, now->tm_mon, now->tm_mday,
	    now->tm_hour, now->tm_min, now->tm_sec };

	for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++) {
		if (a[i] != b[i])
			return a[i] > b[i];
	}
	return false;
}

/*
 * ", 06-Nov-94 08:49:37 GMT": a time that seems to be more than 50 years in
 * the future is in the last year with these digits (RFC 9110, section 5.6.7).
 */
static void
read_850(struct reader *in, struct tm *tm, time_t now)
{
	struct tm today;
	int year;

	want(in, ", ");
	tm->tm_mday = number(in, 2);
	want(in, "-");
	tm->tm_mon = month(in);
	want(in, "-");
	year = number(in, 2);
	want(in, " ");
	hours(in, tm);
	zone(in);
	if (gmtime_r(&now, &today) == NULL)
		in->ok = false;
	tm->tm_year = today.tm_year / 100 * 100 + year;
	if (is_far(tm, &today))
		tm->tm_year -= 100;
}

/* " Nov  6 08:49:37 1994" */
static void
read_asctime(struct reader *in, struct tm *tm)
{
	want(in, " ");
	tm->tm_mon = month(in);
	want(in, " ");
	if (in->ok && in->at < in->end && *in->at == ' ') {
		in->at++;
		tm->tm_mday = number(in, 1);
	} else {
		tm->tm_mday = number(in, 2);
	}
	want(in, " ");
	hours(in, tm);
	want(in, " ");
	tm->tm_year = number(in, 4) - 1900;
}

static bool
is_date(const struct tm *tm)
{
	static const int lengths[12] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
	};
	const int year = tm->tm_year + 1900;
	const bool leap = (year % 4 == 0 && year % 100 != 0) ||
	    year % 400 == 0;
	const int length = lengths[tm->tm_mon] +
	    (tm->tm_mon == 1 && leap ? 1 : 0);

	return year >= 1900 && tm->tm_mday >= 1 && tm->tm_mday <= length &&
	    tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

static int
day_of(const char *text, size_t length, bool whole)
{
	for (int i = 0; i < 7; i++) {
		const size_t n = whole ? strlen(days[i]) : 3;

		if (length > n && memcmp(text, days[i], n) == 0 &&
		    (text[n] == ',' || text[n] == ' '))
			return (int)n;
	}
	return 0;
}

bool
date_parse_http(const char *text, size_t length, time_t now, time_t *when)
{
	const int whole = day_of(text, length, true);
	const int part = day_of(text, length, false);
	struct reader in = { text + (whole != 0 ? whole : part),
	    text + length, whole != 0 || part != 0 };
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	if (!in.ok)
		return false;
	if (whole != 0)
		read_850(&in, &tm, now);
	else if (*in.at == ',')
		read_imf(&in, &tm);
	else
		read_asctime(&in, &tm);
	if (!in.ok || in.at != in.end || !is_date(&tm))
		return false;
	*when = timegm(&tm);
	return true;
}
