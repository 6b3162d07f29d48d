/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "repo/open_objects.h"

#include <fcntl.h>
#include <unistd.h>

static int
new_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static gboolean
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Add and give the reference back; returns the descriptor. */
static int
add(struct open_objects *objects, const char *name)
{
    int fd = new_fd();
    open_objects_release(
        open_objects_add(objects, name, fd, TRUE, open_objects_generation(objects)));
    return fd;
}

static void
expect(struct open_objects *objects, const char *name, int fd)
{
    struct open_object *object = open_objects_find(objects, name);
    g_assert_nonnull(object);
    g_assert_cmpint(open_objects_fd(object), ==, fd);
    open_objects_release(object);
}

static void
test_oldest_goes(void)
{
    struct open_objects *objects = open_objects_new(3);
    int a = add(objects, "a"), b = add(objects, "b"), c = add(objects, "c");
    expect(objects, "a", a);
    int d = add(objects, "d"); /* b was not used longest */
    g_assert_false(is_open(b) && b != d);
    g_assert_null(open_objects_find(objects, "b"));
    expect(objects, "a", a);
    expect(objects, "c", c);
    expect(objects, "d", d);
    open_objects_free(objects);
    g_assert_false(is_open(a));
    g_assert_false(is_open(c));
    g_assert_false(is_open(d));
}

static void
test_used_while_dropped(void)
{
    struct open_objects *objects = open_objects_new(1);
    int a = add(objects, "a");
    struct open_object *object = open_objects_find(objects, "a");
    open_objects_drop(objects, "a");
    open_objects_drop(objects, "nothing");
    g_assert_null(open_objects_find(objects, "a"));
    g_assert_true(is_open(a));
    open_objects_release(object);
    g_assert_false(is_open(a));
    open_objects_free(objects);
}

/* What was opened before a drop may be the old one: it is used once, and not kept. */
static void
test_opened_before_drop(void)
{
    struct open_objects *objects = open_objects_new(4);
    guint64 generation = open_objects_generation(objects);
    open_objects_drop(objects, "a");
    int fd = new_fd();
    struct open_object *object = open_objects_add(objects, "a", fd, TRUE, generation);
    g_assert_cmpint(open_objects_fd(object), ==, fd);
    g_assert_null(open_objects_find(objects, "a"));
    open_objects_release(object);
    g_assert_false(is_open(fd));
    open_objects_free(objects);
}

static void
test_not_kept(void)
{
    struct open_objects *objects = open_objects_new(4);
    int fd = new_fd();
    struct open_object *object =
        open_objects_add(objects, "a", fd, FALSE, open_objects_generation(objects));
    g_assert_null(open_objects_find(objects, "a"));
    open_objects_release(object);
    g_assert_false(is_open(fd));
    open_objects_free(objects);
}

/* Two threads opened it at the same time. */
static void
test_twice(void)
{
    struct open_objects *objects = open_objects_new(4);
    guint64 generation = open_objects_generation(objects);
    int first = new_fd(), second = new_fd();
    struct open_object *one = open_objects_add(objects, "a", first, TRUE, generation);
    struct open_object *two = open_objects_add(objects, "a", second, TRUE, generation);
    expect(objects, "a", second);
    g_assert_true(is_open(first));
    open_objects_release(one);
    g_assert_false(is_open(first));
    open_objects_release(two);
    expect(objects, "a", second);
    open_objects_free(objects);
    g_assert_false(is_open(second));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/open-objects/oldest-goes", test_oldest_goes);
    g_test_add_func("/open-objects/used-while-dropped", test_used_while_dropped);
    g_test_add_func("/open-objects/opened-before-drop", test_opened_before_drop);
    g_test_add_func("/open-objects/not-kept", test_not_kept);
    g_test_add_func("/open-objects/twice", test_twice);
    return g_test_run();
}
