/* base/list.h: intrusive doubly linked list. The link lives in the object; the list owns nothing.
 *
 * A list head is a struct list; an element embeds a struct list_link. A link that is in no list has
 * next == NULL; adding one that is in a list, or removing one that is in none, is a bug and asserted.
 */
#pragma once

#include "base/base.h"

struct list_link {
    struct list_link *next, *prev;
};

struct list {
    struct list_link head; /* circular; empty when it points to itself or was only zeroed */
    size_t len;
};

static inline void list_init(struct list *l)
{
    l->head.next = l->head.prev = &l->head;
    l->len = 0;
}

static inline bool list_linked(const struct list_link *link)
{
    return link->next != NULL;
}

static inline bool list_empty(const struct list *l)
{
    return l->len == 0;
}

static inline void list_insert_before_(struct list *l, struct list_link *at, struct list_link *link)
{
    ASSERT(!list_linked(link) && at->prev != NULL);
    link->prev = at->prev;
    link->next = at;
    at->prev->next = link;
    at->prev = link;
    l->len++;
}

static inline void list_add_last(struct list *l, struct list_link *link)
{
    if (l->head.next == NULL) {
        list_init(l);
    }
    list_insert_before_(l, &l->head, link);
}

static inline void list_add_first(struct list *l, struct list_link *link)
{
    if (l->head.next == NULL) {
        list_init(l);
    }
    list_insert_before_(l, l->head.next, link);
}

static inline void list_remove(struct list *l, struct list_link *link)
{
    ASSERT(list_linked(link) && l->len > 0);
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
    l->len--;
}

static inline struct list_link *list_first(const struct list *l)
{
    return l->len == 0 ? NULL : l->head.next;
}

static inline struct list_link *list_last(const struct list *l)
{
    return l->len == 0 ? NULL : l->head.prev;
}

/* The element after `link`, NULL after the last. */
static inline struct list_link *list_next(const struct list *l, const struct list_link *link)
{
    return link->next == &l->head ? NULL : link->next;
}

/* Removes and returns the first; there must be one. */
static inline struct list_link *list_take(struct list *l)
{
    struct list_link *link = l->head.next;

    list_remove(l, link);
    return link;
}

/* The same, NULL when empty. */
static inline struct list_link *list_take_first(struct list *l)
{
    return list_empty(l) ? NULL : list_take(l);
}

/* The element may be removed inside the loop. */
#define list_for_each(list_, link_)                                                 \
    for (struct list_link *link_ = list_first(list_),                               \
                          *link_##_next = link_ ? list_next((list_), link_) : NULL; \
         link_ != NULL;                                                             \
         link_ = link_##_next, link_##_next = link_ ? list_next((list_), link_) : NULL)
