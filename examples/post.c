/* SPDX-License-Identifier: ISC */
/*
 * The tutorial's HTTP POST: shows the fields of a form and what was uploaded.
 *
 *	curl http://localhost:8080/ -d name=dhellmann -d foo=bar
 *	curl http://localhost:8080/ -F name=dhellmann -F foo=bar \
 *	    -F datafile=@get.c
 *
 * A browser gets a page with such a form.
 */
#include <stdint.h>

#include <tine.h>

static const char page[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head><meta charset=\"utf-8\"><title>A form</title></head>\n"
    "<body>\n"
    "<form action=\"/\" method=\"post\" enctype=\"multipart/form-data\">\n"
    "<p><label>name <input name=\"name\" value=\"dhellmann\"></label></p>\n"
    "<p><label>foo <input name=\"foo\" value=\"bar\"></label></p>\n"
    "<p><label>datafile <input type=\"file\" name=\"datafile\"></label></p>\n"
    "<p><button>Send</button></p>\n"
    "</form>\n"
    "</body>\n"
    "</html>\n";

static void
get(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Type", "text/html; charset=utf-8");
	tine_end_headers(req);
	tine_puts(req, page);
}

/* A value may hold NUL bytes: it is written by its length. */
static void
show_value(struct tine_request *req, const struct tine_form_field *field)
{
	size_t length;
	const char *value = tine_form_data(field, &length);

	tine_printf(req, "\t%s=", field->name);
	if (value != NULL)
		tine_write(req, value, length);
	tine_puts(req, "\n");
}

static void
show_field(struct tine_request *req, const struct tine_form_field *field)
{
	/* The name is empty where a browser's user has chosen no file. */
	if (field->filename != NULL && *field->filename != '\0')
		tine_printf(req, "\tUploaded %s (%jd bytes)\n", field->name,
		    (intmax_t)field->length);
	else
		show_value(req, field);
}

static void
post(struct tine_request *req)
{
	struct tine_form *form = tine_form_parse(req, NULL);
	const char *agent = tine_header(req, "User-Agent");

	if (form == NULL) {
		tine_form_send_error(req);
		return;
	}
	tine_send_response(req, 200, NULL);
	/* Without a type a browser would take what it sent for a page. */
	tine_send_header(req, "Content-Type", "text/plain; charset=utf-8");
	tine_end_headers(req);
	tine_printf(req, "Client: ('%s', %u)\n"
	    "User-agent: %s\n"
	    "Path: %s\n"
	    "Form data:\n",
	    req->client_address, req->client_port, agent != NULL ? agent : "",
	    req->path);
	for (size_t i = 0; i < tine_form_count(form); i++)
		show_field(req, tine_form_field(form, i));
}

const struct tine_http_handler tine_http = {
	.do_GET = get,
	.do_HEAD = get,
	.do_POST = post,
	.protocol_version = "HTTP/1.0"
};

int
main(int argc, char *argv[])
{
	return tine_main(argc, argv, &tine_http);
}
