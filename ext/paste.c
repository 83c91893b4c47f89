#include "paste.h"

#include <stdlib.h>
#include <string.h>

/* A grid made ready: padded weights, and for each row where they are not zero. */
typedef struct {
    int x, y, width, height, padded;
    mtf_columns columns;
    mtf_taps rows;
    int16_t *weights; /* height x padded */
    int32_t *spans;   /* per row: begin, a multiple of MTF_LANES, and end */
} grid;

struct mtf_paste {
    mtf_rows forms;
    mtf_conversion conversion;
    int width;        /* pixels of a crop's row */
    grid grids[2];    /* luma, chroma */
    int first, stop;  /* the crop's rows that are read */
    int left, read;   /* its columns that are: the first, and how many */
    int slots;        /* rows that the rings hold */
    int16_t *ring[3]; /* scaled columns of the last `slots` rows */
    int16_t *converted[3];
    int16_t *values;
    int16_t *faded; /* weights of a row, of which the crop has a share only */
    const int16_t **tap_rows;
};

static void *copied(const void *from, size_t size)
{
    void *copy = malloc(size);
    return copy ? memcpy(copy, from, size) : NULL;
}

static int copy_taps(mtf_taps *to, const mtf_taps *from)
{
    size_t count = (size_t)from->count;
    *to = *from;
    to->first = copied(from->first, count * sizeof *from->first);
    to->weights = copied(from->weights, count * (size_t)from->taps * sizeof *from->weights);
    return to->first && to->weights;
}

static void lay_group(mtf_columns *columns, int group)
{
    const int32_t *first = columns->first + 8 * group;
    for (int half = 0; half < 2; half++) {
        int32_t low = first[4 * half], high = low;
        for (int i = 4 * half; i < 4 * half + 4; i++) {
            low = first[i] < low ? first[i] : low;
            high = first[i] > high ? first[i] : high;
        }
        columns->starts[2 * group + half] = low;
        columns->near &= high - low <= 6;
        for (int byte = 0; byte < 16; byte++)
            columns->patterns[32 * group + 16 * half + byte] =
                (uint8_t)(2 * (first[4 * half + byte / 4] - low) + byte % 4);
    }
}

/* Outputs beyond the last repeat its inputs with weights of zero. */
static int lay_columns(mtf_columns *columns, const mtf_taps *from)
{
    int groups = (from->count + 7) / 8, pairs = from->taps / 2;
    size_t outputs = 8 * (size_t)groups;
    if (!copy_taps(&columns->plain, from))
        return 0;
    columns->near = 1;
    columns->first = malloc(outputs * sizeof *columns->first);
    columns->starts = malloc(2 * (size_t)groups * sizeof *columns->starts);
    columns->patterns = malloc(4 * outputs);
    columns->weights = calloc(2 * outputs * (size_t)pairs, sizeof *columns->weights);
    if (!columns->first || !columns->starts || !columns->patterns || !columns->weights)
        return 0;
    for (int i = 0; i < 8 * groups; i++)
        columns->first[i] = from->first[i < from->count ? i : from->count - 1];
    for (int i = 0; i < from->count; i++)
        for (int k = 0; k < from->taps; k++)
            columns->weights[((i / 8) * pairs + k / 2) * 16 + i % 8 * 2 + k % 2] =
                from->weights[i * from->taps + k];
    for (int group = 0; group < groups; group++)
        lay_group(columns, group);
    return 1;
}

static void find_span(const int16_t *weights, int width, int32_t span[2])
{
    int begin = 0, end = width;
    while (begin < width && !weights[begin])
        begin++;
    while (end > begin && !weights[end - 1])
        end--;
    span[0] = begin / MTF_LANES * MTF_LANES;
    span[1] = end > begin ? end : span[0];
}

static int lay_grid(grid *to, const mtf_grid *from)
{
    size_t height = (size_t)from->height;
    to->x = from->x, to->y = from->y, to->width = from->width, to->height = from->height;
    to->padded = mtf_padded(from->width);
    to->weights = calloc(height * (size_t)to->padded, sizeof *to->weights);
    to->spans = malloc(2 * height * sizeof *to->spans);
    if (!lay_columns(&to->columns, &from->columns) || !copy_taps(&to->rows, &from->rows) ||
        !to->weights || !to->spans)
        return 0;
    for (size_t row = 0; row < height; row++) {
        const int16_t *weights = from->weights + row * (size_t)from->width;
        memcpy(to->weights + row * (size_t)to->padded, weights,
               (size_t)from->width * sizeof *weights);
        find_span(weights, from->width, to->spans + 2 * row);
    }
    return 1;
}

/* Rows are made in order, each as soon as its last input is there: how far back do inputs lie? */
static void reach(mtf_paste *paste, const mtf_taps *rows)
{
    int seen = 0;
    for (int i = 0; i < rows->count; i++) {
        int last = rows->first[i] + rows->taps;
        seen = last > seen ? last : seen;
        if (seen - rows->first[i] > paste->slots)
            paste->slots = seen - rows->first[i];
        if (rows->first[i] < paste->first)
            paste->first = rows->first[i];
    }
    if (seen > paste->stop)
        paste->stop = seen;
}

/* Whole vectors of columns that any output is made from; `taps` may reach beyond the last. */
static void reach_across(mtf_paste *paste, const mtf_taps *luma, const mtf_taps *chroma)
{
    const mtf_taps *both[2] = {luma, chroma};
    int left = paste->width, right = 0;
    for (int kind = 0; kind < 2; kind++)
        for (int i = 0; i < both[kind]->count; i++) {
            int first = both[kind]->first[i], last = first + both[kind]->taps;
            left = first < left ? first : left;
            right = last > right ? last : right;
        }
    right = mtf_padded(right);
    paste->left = left / MTF_LANES * MTF_LANES;
    paste->read = (right < paste->width ? right : paste->width) - paste->left;
}

static int allocate_scratch(mtf_paste *paste)
{
    int widest = 0, complete = 1, taps = 0;
    for (int component = 0; component < 3; component++) {
        const grid *own = &paste->grids[component > 0];
        widest = own->padded > widest ? own->padded : widest;
        taps = own->rows.taps > taps ? own->rows.taps : taps;
        paste->ring[component] =
            calloc((size_t)paste->slots * (size_t)own->padded, sizeof(int16_t));
        paste->converted[component] =
            calloc((size_t)(mtf_padded(paste->width) + MTF_LANES), sizeof(int16_t));
        complete = complete && paste->ring[component] && paste->converted[component];
    }
    paste->values = calloc((size_t)widest, sizeof(int16_t));
    paste->faded = calloc((size_t)widest, sizeof(int16_t));
    paste->tap_rows = calloc((size_t)taps, sizeof *paste->tap_rows);
    return complete && paste->values && paste->faded && paste->tap_rows;
}

mtf_paste *mtf_paste_new(const mtf_grid *luma, const mtf_grid *chroma,
                         const mtf_conversion *conversion, int width, int level)
{
    mtf_paste *paste = calloc(1, sizeof *paste);
    if (!paste)
        return NULL;
    paste->forms = mtf_rows_use(level);
    paste->conversion = *conversion;
    paste->width = width;
    paste->first = INT32_MAX;
    reach(paste, &luma->rows);
    reach(paste, &chroma->rows);
    reach_across(paste, &luma->columns, &chroma->columns);
    if (lay_grid(&paste->grids[0], luma) && lay_grid(&paste->grids[1], chroma) &&
        allocate_scratch(paste))
        return paste;
    mtf_paste_free(paste);
    return NULL;
}

void mtf_paste_convert(mtf_paste *paste, const mtf_conversion *conversion)
{
    paste->conversion = *conversion;
}

static uint8_t *sample(const mtf_plane *plane, int x, int y)
{
    return plane->data + y * plane->stride + (ptrdiff_t)x * plane->step;
}

/* Give values that are like `seen` what the avatar's samples have beyond it. */
static void give_back(const mtf_plane *avatar, const uint8_t *old, const int16_t *seen, int count,
                      int16_t *values)
{
    int lost = MTF_VALUE_BITS - avatar->depth, codes = (1 << avatar->depth) - 1;
    int top = mtf_top(avatar->depth), unlike = 1 << MTF_UNLIKE_BITS;
    for (int i = 0; i < count; i++, old += avatar->step) {
        int code = avatar->depth == 8 ? old[0] : (old[0] | old[1] << 8) >> avatar->shift & codes;
        int changed = values[i] - seen[i], beyond = (changed < 0 ? -changed : changed) - MTF_ALIKE;
        int like = unlike - (beyond < 0 ? 0 : beyond > unlike ? unlike : beyond);
        int value = values[i] +
                    ((((code << lost) - seen[i]) * like + unlike / 2) >> MTF_UNLIKE_BITS);
        values[i] = (int16_t)(value < 0 ? 0 : value > top ? top : value);
    }
}

/* One row of a component: scale the ring's rows into `values`, blend them with the avatar's. */
static void make_row(mtf_paste *paste, int component, int row, int share,
                     const int16_t *const *seen, const mtf_plane *avatar, const mtf_plane *plane)
{
    const grid *own = &paste->grids[component > 0];
    int begin = own->spans[2 * row], end = own->spans[2 * row + 1], taps = own->rows.taps;
    const int16_t *weights = own->weights + (ptrdiff_t)row * own->padded + begin;
    if (begin == end)
        return;
    if (share != MTF_WHOLE) {
        for (int i = 0; i < mtf_padded(end - begin); i++)
            paste->faded[i] = (int16_t)(weights[i] * share >> 15);
        weights = paste->faded;
    }
    for (int k = 0; k < taps; k++) {
        int slot = (own->rows.first[row] + k) % paste->slots;
        paste->tap_rows[k] = paste->ring[component] + (ptrdiff_t)slot * own->padded + begin;
    }
    paste->forms.scale_rows(paste->tap_rows, own->rows.weights + (ptrdiff_t)row * taps, taps,
                            mtf_padded(end - begin), mtf_top(plane->depth), paste->values);
    if (seen)
        give_back(avatar, sample(avatar, own->x + begin, own->y + row),
                  seen[component] + (ptrdiff_t)row * own->width + begin, end - begin,
                  paste->values);
    paste->forms.blend(plane, sample(avatar, own->x + begin, own->y + row),
                       sample(plane, own->x + begin, own->y + row), paste->values, weights,
                       end - begin);
}

/* The pixels of one row that are read, as components. */
static void convert_row(mtf_paste *paste, const uint8_t *crop, const int16_t *components, int rows,
                        int row)
{
    int16_t *converted[3];
    for (int component = 0; component < 3; component++)
        converted[component] = paste->converted[component] + paste->left;
    if (!components) {
        paste->forms.convert(crop + 3 * ((ptrdiff_t)row * paste->width + paste->left), paste->read,
                             &paste->conversion, converted);
        return;
    }
    for (int component = 0; component < 3; component++)
        memcpy(converted[component],
               components + ((ptrdiff_t)component * rows + row) * paste->width + paste->left,
               (size_t)paste->read * sizeof *components);
}

void mtf_paste_run(mtf_paste *paste, const uint8_t *crop, const int16_t *components, int rows,
                   int first_row, int share, const int16_t *const *seen,
                   const mtf_plane avatar[3], const mtf_plane planes[3])
{
    int made[2] = {0, 0};
    for (int row = paste->first; row < paste->stop; row++) {
        convert_row(paste, crop, components, rows, row - first_row);
        for (int component = 0; component < 3; component++) {
            const grid *own = &paste->grids[component > 0];
            paste->forms.scale_columns(paste->converted[component], &own->columns,
                                       paste->ring[component] +
                                           (ptrdiff_t)(row % paste->slots) * own->padded);
        }
        for (int kind = 0; kind < 2; kind++) {
            const mtf_taps *rows = &paste->grids[kind].rows;
            for (; made[kind] < rows->count && rows->first[made[kind]] + rows->taps <= row + 1;
                 made[kind]++)
                for (int component = kind; component <= 2 * kind; component++)
                    make_row(paste, component, made[kind], share, seen, &avatar[component],
                             &planes[component]);
        }
    }
}

static void free_taps(mtf_taps *taps)
{
    free((void *)taps->first);
    free((void *)taps->weights);
}

void mtf_paste_free(mtf_paste *paste)
{
    for (int kind = 0; kind < 2; kind++) {
        grid *own = &paste->grids[kind];
        free_taps(&own->columns.plain);
        free_taps(&own->rows);
        free(own->columns.first);
        free(own->columns.starts);
        free(own->columns.patterns);
        free(own->columns.weights);
        free(own->weights);
        free(own->spans);
    }
    for (int component = 0; component < 3; component++) {
        free(paste->ring[component]);
        free(paste->converted[component]);
    }
    free(paste->values);
    free(paste->faded);
    free(paste->tap_rows);
    free(paste);
}
